"""A JSON object read key by key: every key has a range and a default, unknown keys are refused."""

from std.utils.numerics import isfinite

from .json import ABSENT, Json, Kind, quoted
from .keys import KEYS


@fieldwise_init
struct Range(ImplicitlyCopyable):
    """What a number may be."""

    var low: Float64
    """The lower end."""
    var high: Float64
    """The upper end; infinity for none, which itself is in no range."""
    var without_low: Bool
    """`low` itself is not allowed."""
    var without_high: Bool
    """`high` itself is not allowed."""

    def has(self, value: Float64) -> Bool:
        """Whether `value` is in it.

        Args:
            value: The number to test; NaN and infinity are in no range.

        Returns:
            True if it is allowed.
        """
        var above = value > self.low or (
            value == self.low and not self.without_low
        )
        var below = value < self.high or (
            value == self.high and not self.without_high
        )
        return above and below and isfinite(value)

    def text(self) -> String:
        """The range in words.

        Returns:
            What an error says was expected, such as `a number in [0.0, 1.0]`.
        """
        if self.high == Float64.MAX:
            return String(
                "a number ",
                "above " if self.without_low else "of at least ",
                self.low,
            )
        var left = "(" if self.without_low else "["
        var right = ")" if self.without_high else "]"
        return String("a number in ", left, self.low, ", ", self.high, right)


struct Section(Movable):
    """One object of a document and where it stands; remembers which keys were asked for.

    What a key may be, and what it is where it is missing, are those of `KEYS`.
    """

    var node: Int
    """Its number, `ABSENT` where the document lacks it: then every value is its default."""
    var path: String
    """Keys from the top to here with dots between; empty for the whole document."""
    var known: List[String]
    """Keys that were asked for."""
    var keys: Json
    """The keys of the schema."""
    var entry: Int
    """What they say of this section."""

    def __init__(
        out self, document: Json, node: Int, path: String, name: String
    ) raises:
        """The object `node` at `path`.

        Args:
            document: The document that holds the object.
            node: Its number, or `ABSENT`.
            path: Where it stands, for errors.
            name: What `KEYS` calls it.

        Raises:
            If it is no object.
        """
        if node != ABSENT and document.kind(node) != Kind.OBJECT:
            raise fault(path, "an object", document, node)
        self.node = node
        self.path = path
        self.known = List[String]()
        self.keys = Json.parse(KEYS)
        self.entry = self.keys.member(0, name)

    def at(self, key: String) -> String:
        """The path of `key`.

        Args:
            key: A key of this object.

        Returns:
            Text such as `algorithm.training.sigma`.
        """
        return key if self.path == "" else self.path + "." + key

    def find(mut self, document: Json, key: String) -> Int:
        """The number of the value under `key`, or `ABSENT`.

        Args:
            document: The document that holds the object.
            key: The key, known from now on.

        Returns:
            A number for `Json`; `ABSENT` if the key or this whole object is missing.
        """
        self.known.append(key)
        return ABSENT if self.node == ABSENT else document.member(
            self.node, key
        )

    def section(mut self, document: Json, key: String) raises -> Section:
        """The object under `key`.

        Args:
            document: The document that holds the object.
            key: The key, known from now on.

        Returns:
            A section; one of defaults alone if the key is missing.

        Raises:
            Naming the path, if the value is no object.
        """
        var path = self.at(key)
        return Section(document, self.find(document, key), path, path)

    def declared(self, key: String, word: String) raises -> Int:
        """What the schema says of `key`.

        Args:
            key: A key of this object.
            word: Such as "default" or "minimum".

        Returns:
            The number of the value in `keys`, or `ABSENT`.

        Raises:
            If the schema has no such key, which is a fault of this program.
        """
        var found = self.keys.member(self.entry, key)
        if found == ABSENT:
            raise Error(self.at(key), ": not in the schema")
        return self.keys.member(found, word)

    def integer(
        mut self, document: Json, key: String, default: Optional[Int] = None
    ) raises -> Int:
        """The integer under `key`, within the schema's bounds.

        Args:
            document: The document that holds the object.
            key: The key, known from now on.
            default: The answer if the key is missing, in place of the schema's.

        Returns:
            The value or the default.

        Raises:
            Naming the path, if the value is no integer or out of bounds.
        """
        var node = self.find(document, key)
        if node == ABSENT:
            if default:
                return default.value()
            return self.keys.integer(self.declared(key, "default"))
        var low = self.keys.integer(self.declared(key, "minimum"))
        var high = self.keys.integer(self.declared(key, "maximum"))
        if document.kind(node) == Kind.INTEGER:
            try:
                var value = document.integer(node)
                if low <= value <= high:
                    return value
            except:
                pass  # It does not fit into 64 bits, nor into any bounds.
        var expected = String("an integer in ", low, "..=", high)
        raise fault(self.at(key), expected, document, node)

    def optional_integer(
        mut self, document: Json, key: String
    ) raises -> Optional[Int]:
        """The integer under `key`, within the schema's bounds; `null` is none.

        Args:
            document: The document that holds the object.
            key: The key, known from now on.

        Returns:
            The value, or none if the key is missing or null.

        Raises:
            Naming the path, if the value is no integer or out of bounds.
        """
        if self.is_null(document, key):
            return None
        return self.integer(document, key)

    def number(mut self, document: Json, key: String) raises -> Float64:
        """The number under `key`, within the schema's bounds.

        Args:
            document: The document that holds the object.
            key: The key, known from now on.

        Returns:
            The value or its default; an integer is a number too.

        Raises:
            Naming the path, if the value is no number or out of bounds.
        """
        var found = self.optional_number(document, key)
        if found:
            return found.value()
        return self.keys.number(self.declared(key, "default"))

    def bounds(self, key: String) raises -> Range:
        """What the number under `key`, or in the list there, may be.

        Args:
            key: A key of this object.

        Returns:
            The range that the schema has for it.

        Raises:
            If the schema has no such key, which is a fault of this program.
        """
        var above = self.declared(key, "exclusiveMinimum")
        var below = self.declared(key, "exclusiveMaximum")
        var low = above if above != ABSENT else self.declared(key, "minimum")
        var high = below if below != ABSENT else self.declared(key, "maximum")
        return Range(
            self.keys.number(low),
            Float64.MAX if high == ABSENT else self.keys.number(high),
            above != ABSENT,
            below != ABSENT,
        )

    def is_null(mut self, document: Json, key: String) -> Bool:
        """Whether the key is missing or `null`, which stands for none where the schema has it.

        Args:
            document: The document that holds the object.
            key: The key, known from now on.

        Returns:
            False if there is a value.
        """
        var node = self.find(document, key)
        return node == ABSENT or document.kind(node) == Kind.NULL

    def optional_number(
        mut self, document: Json, key: String
    ) raises -> Optional[Float64]:
        """The number under `key`, within the schema's bounds; `null` is none where it allows it.

        Args:
            document: The document that holds the object.
            key: The key, known from now on.

        Returns:
            The value, or none if the key is missing or null.

        Raises:
            Naming the path, if the value is no number or out of bounds.
        """
        var node = self.find(document, key)
        var default = self.declared(key, "default")
        var may_be_none = self.keys.kind(default) == Kind.NULL
        if node == ABSENT or (may_be_none and document.kind(node) == Kind.NULL):
            return None
        return number_at(document, node, self.at(key), self.bounds(key))

    def boolean(
        mut self, document: Json, key: String, default: Optional[Bool] = None
    ) raises -> Bool:
        """The boolean under `key`.

        Args:
            document: The document that holds the object.
            key: The key, known from now on.
            default: The answer if the key is missing, in place of the schema's.

        Returns:
            The value or the default.

        Raises:
            Naming the path, if the value is not `true` or `false`.
        """
        var node = self.find(document, key)
        if node == ABSENT:
            if default:
                return default.value()
            return self.keys.boolean(self.declared(key, "default"))
        if document.kind(node) != Kind.BOOLEAN:
            raise fault(self.at(key), "true or false", document, node)
        return document.boolean(node)

    def text(
        mut self, document: Json, key: String, default: String
    ) raises -> String:
        """The string under `key`.

        Args:
            document: The document that holds the object.
            key: The key, known from now on.
            default: The answer if the key is missing.

        Returns:
            The value or the default.

        Raises:
            Naming the path, if the value is no string.
        """
        var node = self.find(document, key)
        if node == ABSENT:
            return default
        if document.kind(node) != Kind.STRING:
            raise fault(self.at(key), "a string", document, node)
        return document.text(node)

    def choice(mut self, document: Json, key: String) raises -> Int:
        """The place of the string under `key` among those that the schema allows.

        Args:
            document: The document that holds the object.
            key: The key, known from now on.

        Returns:
            An index into them; that of the default if the key is missing.

        Raises:
            Naming the path and the options, if the value is none of them.
        """
        var node = self.find(document, key)
        var chosen = String()
        if node == ABSENT:
            chosen = self.keys.text(self.declared(key, "default"))
        elif document.kind(node) == Kind.STRING:
            chosen = document.text(node)
        var options = self.declared(key, "enum")
        var expected = String()
        for i in range(self.keys.length(options)):
            var option = self.keys.text(self.keys.item(options, i))
            if option == chosen:
                return i
            expected += (" or " if i > 0 else "") + quoted(option)
        raise fault(self.at(key), expected, document, node)

    def empty_list(mut self, document: Json, key: String, why: String) raises:
        """Refuses a list under `key` that holds anything.

        Args:
            document: The document that holds the object.
            key: The key, known from now on.
            why: The reason, which the error tells the user.

        Raises:
            Naming the path, if the value is no list or not empty.
        """
        var node = self.find(document, key)
        if node == ABSENT:
            return
        if document.kind(node) != Kind.LIST or document.length(node) > 0:
            raise fault(self.at(key), "[] (" + why + ")", document, node)

    def ignore(mut self, document: Json, *keys: String):
        """Takes `keys` as known, whatever they hold: other languages read them.

        Args:
            document: The document that holds the object.
            keys: Keys that `finish` shall accept.
        """
        for key in keys:
            _ = self.find(document, key)

    def finish(self, document: Json) raises:
        """Refuses a key that nobody asked for.

        Args:
            document: The document that holds the object.

        Raises:
            Naming its path and the key that was most likely meant.
        """
        if self.node == ABSENT:
            return
        for index in range(document.length(self.node)):
            var key = document.key(self.node, index)
            if key not in self.known:
                var shown = quoted(key)  # In one line, whatever it is.
                raise Error(
                    self.at(String(shown.removeprefix('"').removesuffix('"'))),
                    ": unknown key",
                    self.suggestion(key),
                )

    def suggestion(self, key: String) -> String:
        """What to say about an unknown `key`: the nearest known one, or all of them.

        Args:
            key: A key that nobody asked for.

        Returns:
            The end of an error message: the known key at most two edits away, else all known
            keys.
        """
        var best = 3
        var nearest = String()
        var all = String()
        for known in self.known:
            var distance = edit_distance(key, known)
            if distance < best:
                best = distance
                nearest = known
            all += (", " if all != "" else "") + known
        return (
            "; did you mean " + nearest + "?" if nearest
            != "" else "; known: " + all
        )


def number_at(
    document: Json, node: Int, path: String, bounds: Range
) raises -> Float64:
    """The number `node` at `path`, within `bounds`.

    Args:
        document: The document that holds the number.
        node: Its number in the document.
        path: Where it stands, for errors.
        bounds: Which values are allowed.

    Returns:
        The value; an integer is a number too.

    Raises:
        Naming the path, if the value is no number or out of bounds.
    """
    var kind = document.kind(node)
    if kind != Kind.INTEGER and kind != Kind.NUMBER:
        raise fault(path, bounds.text(), document, node)
    var value = document.number(node)
    if not bounds.has(value):
        raise fault(path, bounds.text(), document, node)
    return value


def fault(path: String, expected: String, document: Json, node: Int) -> Error:
    """An error that names the path, what is allowed and what came.

    Args:
        path: Where the value stands.
        expected: What is allowed, in words.
        document: The document that holds the value.
        node: The value, of any kind.

    Returns:
        `path: expected ..., got ...`; a list or an object is named, not printed.
    """
    var kind = document.kind(node)
    var got = String(kind.name)
    if kind == Kind.STRING:
        got = quoted(document.text(node))
    elif kind != Kind.LIST and kind != Kind.OBJECT:
        got = document.text(node)
    return Error(path, ": expected ", expected, ", got ", got)


def edit_distance(a: String, b: String) -> Int:
    """How many bytes must be put in, dropped or replaced to make `b` of `a` (Levenshtein).

    Args:
        a: The text as it is.
        b: The text as it might be meant.

    Returns:
        0 for equal texts, at most the length of the longer one in bytes.
    """
    var from_bytes = a.as_bytes()
    var to_bytes = b.as_bytes()
    var row = List[Int](capacity=len(to_bytes) + 1)
    for j in range(len(to_bytes) + 1):
        row.append(j)
    for i in range(len(from_bytes)):
        var diagonal = row[0]
        row[0] = i + 1
        for j in range(len(to_bytes)):
            var replaced = diagonal + Int(from_bytes[i] != to_bytes[j])
            diagonal = row[j + 1]
            row[j + 1] = min(replaced, min(row[j], row[j + 1]) + 1)
    return row[len(to_bytes)]
