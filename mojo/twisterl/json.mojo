"""JSON as data that nobody vouches for: a reader that says where a fault is, and string writing.

```mojo
from twisterl.json import Json

def main() raises:
    var document = Json.parse('{"sizes": [3, 4]}')
    print(document.integer(document.item(document.member(0, "sizes"), 1)))
```
"""

from std.collections import Set

comptime MAX_DEPTH = 64
"""Levels of nesting that are read; deeper ones might exhaust the stack."""
comptime ABSENT = -1
"""In place of a node that is not there."""


@fieldwise_init
struct Kind(Equatable, ImplicitlyCopyable):
    """What a value is."""

    var name: StaticString
    """Its name in error messages, with the article."""

    comptime NULL = Kind("null")
    """The word `null`."""
    comptime BOOLEAN = Kind("a boolean")
    """The word `true` or `false`."""
    comptime INTEGER = Kind("an integer")
    """A number without point and exponent."""
    comptime NUMBER = Kind("a number")
    """A number with a point or an exponent."""
    comptime STRING = Kind("a string")
    """Text in double quotes."""
    comptime LIST = Kind("a list")
    """Values in square brackets."""
    comptime OBJECT = Kind("an object")
    """Keys and values in braces."""

    def __eq__(self, other: Kind) -> Bool:
        """Whether both are one kind.

        Args:
            other: The kind to compare with.

        Returns:
            True if they are the same.
        """
        return self.name == other.name


@fieldwise_init
struct Node(Copyable, Movable):
    """One value; `text` holds a string's content and a number or word as it was written.
    """

    var kind: Kind
    """What the value is."""
    var text: String
    """Empty for lists and objects."""
    var keys: List[String]
    """Of an object, in order."""
    var children: List[Int]
    """Numbers of the items of a list or of an object's values."""


@fieldwise_init
struct JsonError(Copyable, Movable, Writable):
    """A text that is not JSON, and where."""

    var problem: String
    """What is wrong, in words."""
    var line: Int
    """Counts from 1."""
    var column: Int
    """Counts bytes from 1."""

    def write_to(self, mut writer: Some[Writer]):
        """Writes the problem and its place.

        Args:
            writer: Receives one line without its end.
        """
        writer.write("is not JSON: ", self.problem, " at line ", self.line)
        writer.write(" column ", self.column)


struct Json(Movable):
    """A document: its values in one list, the whole of it at number 0."""

    var nodes: List[Node]
    """Parents come before their children."""

    def __init__(out self):
        """An empty document, for the parser to fill."""
        self.nodes = List[Node]()

    @staticmethod
    def parse(text: String) raises JsonError -> Json:
        """The document in `text`.

        Args:
            text: A whole document; space around it is allowed.

        Returns:
            The document, its top value at number 0.

        Raises:
            If it is not JSON, repeats a key, or is nested deeper than 64 levels.
        """
        var parser = _Parser(text)
        parser.skip_space()
        _ = parser.value(1)
        parser.skip_space()
        if parser.position < len(parser.bytes):
            raise parser.fault("something after the end")
        return parser^.finish()

    def kind(self, node: Int) -> Kind:
        """What `node` is.

        Args:
            node: Number of a value.

        Returns:
            One of the seven kinds.
        """
        return self.nodes[node].kind

    def length(self, node: Int) -> Int:
        """Number of items or members of `node`.

        Args:
            node: Number of a value.

        Returns:
            A count; 0 for values that hold no others.
        """
        return len(self.nodes[node].children)

    def item(self, node: Int, index: Int) -> Int:
        """The number of item `index` of a list, or of an object's value `index`.

        Args:
            node: Number of a list or an object.
            index: In 0..`length(node)`.

        Returns:
            Number of a value in this document.
        """
        return self.nodes[node].children[index]

    def key(self, node: Int, index: Int) -> String:
        """Key `index` of an object.

        Args:
            node: Number of an object.
            index: In 0..`length(node)`, in the order of the text.

        Returns:
            The key with its escapes resolved.
        """
        return self.nodes[node].keys[index]

    def member(self, node: Int, key: String) -> Int:
        """The number of an object's value under `key`, or `ABSENT`.

        Args:
            node: Number of a value; one that is no object has no members.
            key: The key with its escapes resolved.

        Returns:
            Number of a value in this document.
        """
        ref found = self.nodes[node]
        for index in range(len(found.keys)):
            if found.keys[index] == key:
                return found.children[index]
        return ABSENT

    def text(self, node: Int) -> String:
        """A string's content; a number or word as it was written.

        Args:
            node: Number of a value; lists and objects have no text.

        Returns:
            The text, with the escapes of a string resolved.
        """
        return self.nodes[node].text

    def integer(self, node: Int) raises -> Int:
        """The value of an integer.

        Args:
            node: Number of an integer.

        Returns:
            The value, exact.

        Raises:
            If it does not fit into 64 bits.
        """
        return atol(self.nodes[node].text)

    def number(self, node: Int) raises -> Float64:
        """The value of an integer or number, rounded to the nearest.

        Args:
            node: Number of an integer or a number.

        Returns:
            The value; infinity or 0 where a float64 has no room for it.

        Raises:
            If the text of `node` is no number.
        """
        return atof(self.nodes[node].text)

    def boolean(self, node: Int) -> Bool:
        """The value of a boolean.

        Args:
            node: Number of a boolean.

        Returns:
            True for the word `true`.
        """
        return self.nodes[node].text == "true"


struct _Parser(Movable):
    var bytes: List[UInt8]
    var position: Int
    var document: Json

    def __init__(out self, text: String):
        self.bytes = List[UInt8](text.as_bytes())
        self.position = 0
        self.document = Json()

    def finish(deinit self) -> Json:
        return self.document^

    def fault(self, problem: String) -> JsonError:
        var line = 1
        var start = 0
        for i in range(min(self.position, len(self.bytes))):
            if self.bytes[i] == UInt8(ord("\n")):
                line += 1
                start = i + 1
        return JsonError(problem, line, self.position - start + 1)

    def peek(self) -> Int:
        """The next byte, -1 at the end."""
        return (
            Int(self.bytes[self.position]) if self.position
            < len(self.bytes) else -1
        )

    def skip_space(mut self):
        while self.peek() in (ord(" "), ord("\n"), ord("\t"), ord("\r")):
            self.position += 1

    def expect(mut self, wanted: String) raises JsonError:
        if self.peek() != ord(wanted):
            raise self.fault("expected '" + wanted + "'")
        self.position += 1

    def add(mut self, kind: Kind, text: String) -> Int:
        self.document.nodes.append(
            Node(kind, text, List[String](), List[Int]())
        )
        return len(self.document.nodes) - 1

    def value(mut self, depth: Int) raises JsonError -> Int:
        if depth > MAX_DEPTH:
            raise self.fault(
                String("nested deeper than ", MAX_DEPTH, " levels")
            )
        var next = self.peek()
        if next == ord("{"):
            return self.object(depth)
        if next == ord("["):
            return self.list(depth)
        if next == ord('"'):
            return self.add(Kind.STRING, self.string())
        if next == ord("-") or ord("0") <= next <= ord("9"):
            return self.number()
        if self.word("true") or self.word("false"):
            return self.add(
                Kind.BOOLEAN, "true" if next == ord("t") else "false"
            )
        if self.word("null"):
            return self.add(Kind.NULL, "null")
        raise self.fault("expected a value")

    def word(mut self, wanted: String) -> Bool:
        var bytes = wanted.as_bytes()
        if self.position + len(bytes) > len(self.bytes):
            return False
        for i in range(len(bytes)):
            if self.bytes[self.position + i] != bytes[i]:
                return False
        self.position += len(bytes)
        return True

    def object(mut self, depth: Int) raises JsonError -> Int:
        var node = self.add(Kind.OBJECT, "")
        self.position += 1
        self.skip_space()
        if self.peek() == ord("}"):
            self.position += 1
            return node
        var seen = Set[String]()
        while True:
            self.skip_space()
            if self.peek() != ord('"'):
                raise self.fault("expected a key in double quotes")
            var key = self.string()
            if key in seen:
                raise self.fault(
                    'the key "' + key + '" is given more than once'
                )
            seen.add(key)
            self.skip_space()
            self.expect(":")
            self.skip_space()
            var child = self.value(depth + 1)
            self.document.nodes[node].keys.append(key)
            self.document.nodes[node].children.append(child)
            if self.ends("}"):
                return node

    def list(mut self, depth: Int) raises JsonError -> Int:
        var node = self.add(Kind.LIST, "")
        self.position += 1
        self.skip_space()
        if self.peek() == ord("]"):
            self.position += 1
            return node
        while True:
            self.skip_space()
            var child = self.value(depth + 1)
            self.document.nodes[node].children.append(child)
            if self.ends("]"):
                return node

    def ends(mut self, bracket: String) raises JsonError -> Bool:
        """Passes a comma, or the closing bracket and says True."""
        self.skip_space()
        if self.peek() == ord(bracket):
            self.position += 1
            return True
        if self.peek() != ord(","):
            raise self.fault("expected ',' or '" + bracket + "'")
        self.position += 1
        return False

    def digits(mut self) raises JsonError:
        var start = self.position
        while ord("0") <= self.peek() <= ord("9"):
            self.position += 1
        if self.position == start:
            raise self.fault("expected a digit")

    def number(mut self) raises JsonError -> Int:
        var start = self.position
        var kind = Kind.INTEGER
        if self.peek() == ord("-"):
            self.position += 1
        var first = self.peek()
        self.digits()
        var leading = (
            self.position - start - Int(self.bytes[start] == UInt8(ord("-")))
        )
        if first == ord("0") and leading > 1:
            raise self.fault("a number that begins with 0")
        if self.peek() == ord("."):
            kind = Kind.NUMBER
            self.position += 1
            self.digits()
        if self.peek() in (ord("e"), ord("E")):
            kind = Kind.NUMBER
            self.position += 1
            if self.peek() in (ord("+"), ord("-")):
                self.position += 1
            self.digits()
        return self.add(kind, self.slice(start, self.position))

    def slice(self, start: Int, end: Int) raises JsonError -> String:
        try:
            return String(from_utf8=Span(self.bytes)[start:end])
        except:
            raise self.fault("text that is not UTF-8")

    def string(mut self) raises JsonError -> String:
        self.position += 1
        var result = String()
        var start = self.position
        while True:
            var next = self.peek()
            if next < ord(" "):
                raise self.fault("a string without its end")
            if next == ord('"') or next == ord("\\"):
                result += self.slice(start, self.position)
                self.position += 1
                if next == ord('"'):
                    return result
                result += self.escape()
                start = self.position
            else:
                self.position += 1

    def escape(mut self) raises JsonError -> String:
        var next = self.peek()
        self.position += 1
        if next == ord('"') or next == ord("\\") or next == ord("/"):
            return chr(next)
        # b, f, n, r and t, each followed by the character it stands for.
        var codes = String("b\bf\fn\nr\rt\t").as_bytes()
        for i in range(0, 10, 2):
            if next == Int(codes[i]):
                return chr(Int(codes[i + 1]))
        if next != ord("u"):
            raise self.fault("an unknown escape")
        var point = self.four_digits()
        if 0xD800 <= point < 0xDC00:
            if not self.word("\\u"):
                raise self.fault("half of a surrogate pair")
            var second = self.four_digits()
            if not 0xDC00 <= second < 0xE000:
                raise self.fault("half of a surrogate pair")
            return chr(0x10000 + ((point - 0xD800) << 10) + second - 0xDC00)
        if 0xDC00 <= point < 0xE000:
            raise self.fault("half of a surrogate pair")
        return chr(point)

    def four_digits(mut self) raises JsonError -> Int:
        var result = 0
        for _ in range(4):
            var next = self.peek()
            var digit: Int
            if ord("0") <= next <= ord("9"):
                digit = next - ord("0")
            elif ord("a") <= (next | 32) <= ord("f"):
                digit = (next | 32) - ord("a") + 10
            else:
                raise self.fault("expected four hexadecimal digits")
            result = result * 16 + digit
            self.position += 1
        return result


def quoted(text: String) -> String:
    """`text` as a JSON string.

    Args:
        text: Any text.

    Returns:
        The text in double quotes; quotes, backslashes and control characters are escaped.
    """
    var result = String('"')
    for point in text.codepoints():
        var code = Int(point)
        if code == ord('"') or code == ord("\\"):
            result += "\\" + String(point)
        elif code < 32:
            var digits = String("0123456789abcdef")
            result += (
                "\\u00" + chr(ord("0") + code // 16) + digits[byte=code % 16]
            )
        else:
            result += String(point)
    return result + '"'
