"""Models as safetensors, as Python and Rust read and write them: a `BasicPolicy`'s state dict.

A file is an 8-byte length (little endian), a JSON header `{name: {dtype, shape, data_offsets}}`
padded with spaces, then the data. Its metadata holds a digest of it, as Python's `digest.py` says.
"""

from std.memory import bitcast
from std.utils.numerics import isfinite

from .files import read_file, write_atomic
from .json import Json, Kind, quoted
from .moves import NUM_ACTIONS
from .network import Layout
from .noise import padded
from .sha256 import sha256

comptime MAX_FILE_BYTES = 1 << 28
"""Largest safetensors file that is read, in bytes."""
comptime MAX_HEADER_BYTES = 1 << 22
"""Largest header that is read, in bytes."""
comptime DIGEST = "twisterl.sha256"
"""Metadata of ours: the SHA-256 of the file, its own digits read as zeros."""
comptime DIGITS = 64
"""Of a digest."""
comptime MAX_HEADER_MARKS = 250_000
"""Most brackets and commas of a header, each of which may become a node."""
comptime MAX_TENSORS = 10_000
"""Most tensors that are read."""
comptime MAX_RANK = 8
"""Most sizes of a tensor."""
comptime MAX_SIZE = 1 << 53
"""Sizes, and products of sizes other than 0, are smaller, as in every language."""
comptime TIED = "twisterl.tied"
"""Metadata of ours: a JSON object {name: name of the tensor that it shares}."""


@fieldwise_init
struct Tensor(Copyable, Movable):
    """A named float32 tensor, its values in row-major order."""

    var name: String
    """Its key in the header, such as `embeddings.weight`."""
    var shape: List[Int]
    """Its sizes, the slowest first."""
    var values: List[Float32]
    """As many as the product of the shape."""


@fieldwise_init
struct Note(Copyable, Movable):
    """One entry of the metadata."""

    var key: String
    """Unlike all other keys of the metadata."""
    var text: String
    """The value; numbers are written in decimal."""


struct Tensors(Movable):
    """The content of a safetensors file."""

    var tensors: List[Tensor]
    """In the order of the file."""
    var notes: List[Note]
    """The metadata, in the order of the file."""

    def __init__(out self):
        """An empty one."""
        self.tensors = List[Tensor]()
        self.notes = List[Note]()

    def add(mut self, name: String, shape: List[Int], values: Span[Float32, _]):
        """Adds a tensor of `shape` with these `values`.

        Args:
            name: A name that no other tensor has.
            shape: The sizes, whose product is the number of values.
            values: The numbers in row-major order, copied.
        """
        self.tensors.append(Tensor(name, shape.copy(), List[Float32](values)))

    def note(mut self, key: String, text: String):
        """Adds an entry to the metadata.

        Args:
            key: A key that is not there yet.
            text: Any text.
        """
        self.notes.append(Note(key, text))

    def has_note(self, key: String) -> Bool:
        """Whether the metadata has an entry under `key`.

        Args:
            key: The key, written exactly so.

        Returns:
            False in files of older versions, where the key is newer.
        """
        for note in self.notes:
            if note.key == key:
                return True
        return False

    def find_note(self, key: String) raises -> String:
        """The metadata under `key`.

        Args:
            key: The key, written exactly so.

        Returns:
            The text of the first entry with this key.

        Raises:
            If there is none.
        """
        for note in self.notes:
            if note.key == key:
                return note.text
        raise Error("its metadata lacks ", key)

    def find_integer(self, key: String, low: Int, high: Int) raises -> Int:
        """The whole number in the metadata under `key`.

        Args:
            key: The key, written exactly so.
            low: Smallest allowed value.
            high: Largest allowed value.

        Returns:
            The number of the first entry with this key.

        Raises:
            If there is none, or it is no whole number in these bounds.
        """
        var text = self.find_note(key)
        try:
            var number = atol(text)
            if low <= number <= high:
                return number
        except:
            pass
        raise Error(
            key, ": expected an integer in ", low, "..=", high, ", got ", text
        )

    def find_number(
        self, key: String, low: Float64, high: Float64
    ) raises -> Float64:
        """The number in the metadata under `key`.

        Args:
            key: The key, written exactly so.
            low: Smallest allowed value.
            high: Largest allowed value.

        Returns:
            The number of the first entry with this key.

        Raises:
            If there is none, or it is no number in these bounds.
        """
        var text = self.find_note(key)
        try:
            var number = atof(text)
            if number >= low and number <= high:
                return number
        except:
            pass
        raise Error(
            key, ": expected a number in [", low, ", ", high, "], got ", text
        )

    def values(self, name: String, shape: List[Int]) raises -> List[Float32]:
        """The values of the tensor `name`, which must have `shape` and be finite.

        Args:
            name: Name of the tensor.
            shape: The shape that it must have.

        Returns:
            A copy of the numbers in row-major order.

        Raises:
            Naming the tensor, if it is missing, has another shape, or holds NaN or infinity.
        """
        for tensor in self.tensors:
            if tensor.name != name:
                continue
            if tensor.shape != shape:
                raise Error(
                    "tensor ",
                    name,
                    " has shape ",
                    tensor.shape,
                    "; expected ",
                    shape,
                )
            for value in tensor.values:
                if not isfinite(value):
                    raise Error(
                        "tensor ",
                        name,
                        " holds NaN or infinity; expected finite values",
                    )
            return tensor.values.copy()
        raise Error("tensor ", name, " is missing")

    def save(self, path: String) raises:
        """Writes the file at `path` with its digest, wholly or not at all.

        Args:
            path: The file to make or replace.

        Raises:
            As `write_atomic`.
        """
        var header = String('{"__metadata__":{')
        for note in self.notes:
            header += quoted(note.key) + ":" + quoted(note.text) + ","
        header += quoted(DIGEST) + ':"'
        var digest_start = 8 + header.byte_length()
        header += "0" * DIGITS + '"}'
        var position = 0
        for i in range(len(self.tensors)):
            ref tensor = self.tensors[i]
            var end = position + 4 * len(tensor.values)
            header += (
                ","
                + quoted(tensor.name)
                + ':{"dtype":"F32","shape":['
                + listed(tensor.shape)
            )
            header += String('],"data_offsets":[', position, ",", end, "]}")
            position = end
        header += "}"
        while header.byte_length() % 8 != 0:
            header += " "
        var content = List[UInt8](capacity=8 + header.byte_length() + position)
        var length = UInt64(header.byte_length())
        for i in range(8):
            content.append(UInt8((length >> UInt64(8 * i)) & 255))
        content.extend(header.as_bytes())
        for tensor in self.tensors:
            for value in tensor.values:
                var bits = bitcast[DType.uint32](value)
                for i in range(4):
                    content.append(UInt8((bits >> UInt32(8 * i)) & 255))
        var digest = sha256(Span(content))
        for i in range(DIGITS):
            content[digest_start + i] = digest.as_bytes()[i]
        write_atomic(path, Span(content))

    @staticmethod
    def load(path: String) raises -> Tensors:
        """The content of the file at `path`.

        Args:
            path: A file of at most `MAX_FILE_BYTES`.

        Returns:
            Tensors and metadata.

        Raises:
            Naming the file, if it is missing, cut off, no safetensors file, or holds anything but
            finite float32.
        """
        var content = read_file(path, MAX_FILE_BYTES)
        try:
            return decode(content)
        except error:
            raise Error(path, ": ", error)


def listed(numbers: List[Int]) -> String:
    """The numbers with commas between them.

    Args:
        numbers: Any number of them.

    Returns:
        Text such as `3,4`, as it stands in a JSON list.
    """
    var text = String()
    for i in range(len(numbers)):
        text += String("," if i > 0 else "", numbers[i])
    return text


def decode(content: List[UInt8]) raises -> Tensors:
    """The tensors in the bytes of a safetensors file.

    Args:
        content: The whole file.

    Returns:
        Tensors and metadata.

    Raises:
        If the bytes are cut off or are no such file.
    """
    if len(content) < 8:
        raise Error("is no safetensors file: it has ", len(content), " bytes")
    var length = UInt64(0)
    for i in range(8):
        length |= UInt64(content[i]) << UInt64(8 * i)
    if length > MAX_HEADER_BYTES:
        raise Error(
            "is no safetensors file: its header would have ", length, " bytes"
        )
    var start = 8 + Int(length)
    if start > len(content):
        raise Error("is cut off inside its header")
    if length == 0 or content[8] != UInt8(ord("{")):
        raise Error("is no safetensors file: its header is no object")
    var text: String
    try:
        text = String(from_utf8=Span(content)[8:start])
    except:
        raise Error("is no safetensors file: its header is not UTF-8")
    var header = parsed(text, "is no safetensors file: its header")
    var result = Tensors()
    var spans = List[Tuple[Int, Int]]()
    for i in range(header.length(0)):
        var name = header.key(0, i)
        var entry = header.item(0, i)
        if name == "__metadata__":
            read_notes(header, entry, result)
        else:
            spans.append(
                read_tensor(header, entry, name, Span(content)[start:], result)
            )
            if len(spans) > MAX_TENSORS:
                raise Error(
                    "has too many tensors; at most ", MAX_TENSORS, " are read"
                )

    def before(a: Tuple[Int, Int], b: Tuple[Int, Int]) -> Bool:
        return a[0] < b[0] or (a[0] == b[0] and a[1] < b[1])

    sort(Span(spans), before)
    var end = 0
    for span in spans:
        if span[0] != end:
            raise Error("has data_offsets that overlap or leave a gap")
        end = span[1]
    if end != len(content) - start:
        raise Error(
            "has ",
            len(content) - start,
            " bytes of data; its header says ",
            end,
        )
    check_digest(content, start, result)
    tie(result)
    return result^


def check_digest(content: List[UInt8], start: Int, mut result: Tensors) raises:
    """Takes the digest out of the metadata, if it is there, and compares it with the file.

    Args:
        content: The whole file.
        start: Where its data begins.
        result: What was read of it.

    Raises:
        If the file is not the one that the digest was made of.
    """
    var stated: String
    try:
        stated = result.find_note(DIGEST)
    except:
        return
    var other_notes = List[Note]()
    for note in result.notes:
        if note.key != DIGEST:
            other_notes.append(note.copy())
    result.notes = other_notes^
    var header = String(from_utf8=Span(content)[8:start])
    var place = header.find(stated)
    var blanked = content.copy()
    if place >= 0 and stated.byte_length() == DIGITS:
        for i in range(DIGITS):
            blanked[8 + place + i] = UInt8(ord("0"))
    if sha256(Span(blanked)) != stated:
        raise Error("is not what was written (its SHA-256 differs)")


def parsed(text: String, what: String) raises -> Json:
    """The JSON in `text`.

    Args:
        text: A document with no more brackets and commas than are read.
        what: What it is, for errors.

    Returns:
        The document.

    Raises:
        If it is no JSON or has too many of them.
    """
    var marks = text.count("{") + text.count("[") + text.count(",")
    if marks > MAX_HEADER_MARKS:
        raise Error(what, " has ", marks, " brackets and commas")
    try:
        return Json.parse(text)
    except error:
        raise Error(what, " ", error)


def tie(mut result: Tensors) raises:
    """Adds the tensors whose names the metadata ties to others.

    Args:
        result: What was read of a file.

    Raises:
        If the metadata is no object, repeats a name or names no tensor.
    """
    var text: String
    try:
        text = result.find_note(TIED)
    except:
        return
    var tied = parsed(text, String("metadata ", TIED))
    if tied.kind(0) != Kind.OBJECT or tied.length(0) > MAX_TENSORS:
        raise Error("metadata ", TIED, " is no object of names")
    var places = Dict[String, Int]()
    for i in range(len(result.tensors)):
        places[result.tensors[i].name] = i
    for i in range(tied.length(0)):
        var name = tied.key(0, i)
        var shared = tied.item(0, i)
        if name in places or tied.kind(shared) != Kind.STRING:
            raise Error("metadata ", TIED, " repeats ", name)
        var place = places.get(tied.text(shared), -1)
        if place < 0:
            raise Error("metadata ", TIED, " names no tensor of the file")
        var tensor = result.tensors[place].copy()
        tensor.name = name
        result.tensors.append(tensor^)


def read_notes(header: Json, entry: Int, mut result: Tensors) raises:
    """Adds the metadata to `result`.

    Args:
        header: The header of the file.
        entry: Number of the value of `__metadata__`.
        result: Receives the metadata.

    Raises:
        If it is no object of strings.
    """
    if header.kind(entry) != Kind.OBJECT:
        raise Error("__metadata__ is no object of strings")
    for i in range(header.length(entry)):
        var text = header.item(entry, i)
        if header.kind(text) != Kind.STRING:
            raise Error("__metadata__ is no object of strings")
        result.note(header.key(entry, i), header.text(text))


def read_tensor(
    header: Json,
    entry: Int,
    name: String,
    data: Span[UInt8, _],
    mut result: Tensors,
) raises -> Tuple[Int, Int]:
    """Adds the tensor that `entry` describes to `result` and returns where its data lies.

    Args:
        header: The header of the file.
        entry: Number of the tensor's entry.
        name: Name of the tensor.
        data: The bytes behind the header.
        result: Receives the tensor.

    Returns:
        Its first byte of the data, and the byte behind its last.

    Raises:
        Naming the tensor, if its entry is incomplete, not float32, or disagrees with the data.
    """
    var shape = naturals(header, entry, "shape", name)
    var offsets = naturals(header, entry, "data_offsets", name)
    var dtype = header.member(entry, "dtype")
    if dtype < 0 or header.text(dtype) != "F32" or header.length(entry) != 3:
        raise Error("tensor ", name, " is not of dtype F32")
    if len(offsets) != 2 or offsets[1] < offsets[0]:
        raise Error("tensor ", name, " has no two data_offsets")
    if offsets[1] > len(data):
        raise Error(
            "is cut off: tensor ",
            name,
            " ends at byte ",
            offsets[1],
            ", the data has ",
            len(data),
        )
    if 4 * product(shape, name) != offsets[1] - offsets[0]:
        raise Error(
            "tensor ", name, " has data_offsets that do not fit its shape"
        )
    var count = (offsets[1] - offsets[0]) // 4
    var values = List[Float32](capacity=count)
    for i in range(count):
        var bits = UInt32(0)
        for byte in range(4):
            bits |= UInt32(data[offsets[0] + 4 * i + byte]) << UInt32(8 * byte)
        var value = bitcast[DType.float32](bits)
        if not isfinite(value):
            raise Error(
                "tensor ",
                name,
                " holds NaN or infinity; expected finite values",
            )
        values.append(value)
    result.tensors.append(Tensor(name, shape^, values^))
    return offsets[0], offsets[1]


def product(shape: List[Int], name: String) raises -> Int:
    """The number of values of a tensor.

    Args:
        shape: Its sizes, each below `MAX_SIZE`.
        name: Name of the tensor, for errors.

    Returns:
        The product of the sizes, 1 without any.

    Raises:
        Naming the tensor, if that of the sizes other than 0 is too large.
    """
    var count = 1
    var is_empty = False
    for size in shape:
        is_empty |= size == 0
        if size > 0:
            if count > (MAX_SIZE - 1) // size:
                raise Error("tensor ", name, " has a shape that is too large")
            count *= size
    return 0 if is_empty else count


def naturals(
    header: Json, entry: Int, key: String, name: String
) raises -> List[Int]:
    """The list of whole numbers under `key` of a tensor's entry.

    Args:
        header: The header of the file.
        entry: Number of the tensor's entry.
        key: The key `shape` or `data_offsets`.
        name: Name of the tensor, for errors.

    Returns:
        At most `MAX_RANK` numbers, each below `MAX_SIZE`.

    Raises:
        Naming the tensor, if there is no list or it holds anything else.
    """
    if header.kind(entry) == Kind.OBJECT:
        var node = header.member(entry, key)
        if node >= 0 and header.kind(node) == Kind.LIST:
            var numbers = List[Int]()
            for i in range(header.length(node)):
                var item = header.item(node, i)
                var text = header.text(item)
                if (
                    header.kind(item) != Kind.INTEGER
                    or text.byte_length() > 16
                    or text[byte=0] == "-"
                    or header.integer(item) >= MAX_SIZE
                    or i == MAX_RANK
                ):
                    raise Error("tensor ", name, " has a strange ", key)
                numbers.append(header.integer(item))
            return numbers^
    raise Error("tensor ", name, " has no ", key)


def policy_tensors(weights: List[Float32], layout: Layout) -> Tensors:
    """The state dict of the `BasicPolicy` that these `weights` are, in the order of `layout`.

    Args:
        weights: At least `layout.size()` floats.
        layout: Where each tensor begins in them.

    Returns:
        Six tensors under the names that Python uses, the embedding as [H, F].
    """
    var features = layout.features
    var hidden = layout.hidden
    var transposed = List[Float32](length=features * hidden, fill=0)
    for feature in range(features):
        for unit in range(hidden):
            transposed[unit * features + feature] = weights[
                feature * hidden + unit
            ]
    var result = Tensors()
    var all = Span(weights)
    result.add("embeddings.weight", [hidden, features], Span(transposed))
    result.add(
        "embeddings.bias",
        [hidden],
        all[layout.embedding_bias() : layout.action_weight()],
    )
    result.add(
        "action.0.weight",
        [NUM_ACTIONS, hidden],
        all[layout.action_weight() : layout.value_weight()],
    )
    result.add(
        "action.0.bias",
        [NUM_ACTIONS],
        all[layout.action_bias() : layout.value_bias()],
    )
    result.add(
        "value.0.weight",
        [1, hidden],
        all[layout.value_weight() : layout.action_bias()],
    )
    result.add("value.0.bias", [1], all[layout.value_bias() : layout.size()])
    return result^


def policy_weights(tensors: Tensors, layout: Layout) raises -> List[Float32]:
    """The weights of a `BasicPolicy`'s state dict in the order of `layout`, padded with zeros.

    Args:
        tensors: The state dict of a policy with one hidden layer.
        layout: Widths of the network that is wanted.

    Returns:
        `layout.size()` floats, and zeros up to a whole block of noise.

    Raises:
        If a tensor is missing, foreign, of another shape, or not finite.
    """
    var features = layout.features
    var hidden = layout.hidden
    if len(tensors.tensors) > 6:
        raise Error(
            "has ",
            len(tensors.tensors),
            " tensors; expected 6, one hidden layer",
        )
    var embedding = tensors.values("embeddings.weight", [hidden, features])
    var weights = List[Float32](capacity=padded(layout.size()))
    for feature in range(features):
        for unit in range(hidden):
            weights.append(embedding[unit * features + feature])
    weights.extend(Span(tensors.values("embeddings.bias", [hidden])))
    weights.extend(
        Span(tensors.values("action.0.weight", [NUM_ACTIONS, hidden]))
    )
    weights.extend(Span(tensors.values("value.0.weight", [1, hidden])))
    weights.extend(Span(tensors.values("action.0.bias", [NUM_ACTIONS])))
    weights.extend(Span(tensors.values("value.0.bias", [1])))
    while len(weights) < padded(layout.size()):
        weights.append(0)
    return weights^
