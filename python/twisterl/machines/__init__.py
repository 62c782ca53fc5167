"""Several machines that play for one training, with the bytes that one machine has.

An episode draws from the stream of its number alone, so whoever plays a range of them gets what the
whole has there. docs/machines.md says how to use it.
"""
