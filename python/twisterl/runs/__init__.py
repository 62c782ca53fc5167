"""What a run keeps and leaves behind: its folder, its commits, its numbers."""
