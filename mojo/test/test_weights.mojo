"""Model files: both ways, whole or not at all, and refused when they are not what they should be."""

from scratch import Scratch
from std.testing import TestSuite, assert_equal, assert_raises, assert_true

from twisterl.es import initial_weights
from twisterl.files import make_folder, read_file, read_text, write_atomic
from twisterl.json import ABSENT, Json
from twisterl.network import Layout
from twisterl.terminal import clock, fixed, percent
from twisterl.weights import Tensors, decode, policy_tensors, policy_weights

comptime LAYOUT = Layout(81, 32)


def test_both_ways() raises:
    with Scratch() as folder:
        var path = folder + "/model.safetensors"
        var weights = initial_weights(LAYOUT, 3)
        var tensors = policy_tensors(weights, LAYOUT)
        tensors.note("generation", "12")
        tensors.save(path)
        var loaded = Tensors.load(path)
        assert_equal(policy_weights(loaded, LAYOUT), weights)
        assert_equal(loaded.find_note("generation"), "12")
        assert_equal(loaded.tensors[0].name, "embeddings.weight")
        assert_equal(loaded.tensors[0].shape, [32, 81])
        # Feature 5 of unit 2, which the checkpoint stores unit by unit.
        assert_equal(loaded.tensors[0].values[2 * 81 + 5], weights[5 * 32 + 2])
        with assert_raises(contains="embeddings.weight has shape [32, 81]; expected [64, 81]"):
            _ = policy_weights(loaded, Layout(81, 64))


def test_damaged_files() raises:
    with Scratch() as folder:
        var path = folder + "/model.safetensors"
        policy_tensors(initial_weights(LAYOUT, 3), LAYOUT).save(path)
        var content = read_file(path, 1 << 20)
        for length in [0, 7, 8, 100, len(content) - 1]:
            with assert_raises(contains=path):
                write_atomic(path, Span(content)[0:length])
                _ = Tensors.load(path)
        var longer = content.copy()
        longer.append(0)
        with assert_raises(contains="bytes of data"):
            _ = decode(longer)
        var foreign = content.copy()
        foreign[7] = 1
        with assert_raises(contains="is no safetensors file"):
            _ = decode(foreign)
        var infinite = policy_tensors(initial_weights(LAYOUT, 3), LAYOUT)
        infinite.tensors[1].values[0] = Float32.MAX * 2
        infinite.save(path)
        with assert_raises(contains="embeddings.bias holds NaN or infinity"):
            _ = policy_weights(Tensors.load(path), LAYOUT)


def test_every_flipped_bit() raises:
    with Scratch() as folder:
        var path = folder + "/model.safetensors"
        var tensors = Tensors()
        tensors.add("w", [2], Span([Float32(1.5), -2]))
        tensors.note("generation", "12")
        tensors.save(path)
        var content = read_file(path, 1 << 20)
        assert_equal(len(decode(content).notes), 1)
        var told = 0
        for bit in range(8 * len(content)):
            var flipped = content.copy()
            flipped[bit // 8] ^= UInt8(1 << (bit % 8))
            var read = Tensors()
            try:
                read = decode(flipped)
            except error:
                told += 1
                continue
            # Only the name of the digest can be lost, and then the rest is as it was.
            assert_equal(read.values("w", [2]), [Float32(1.5), -2])
            assert_equal(read.find_note("generation"), "12")
        assert_true(told > 8 * (len(content) - 20), String(told))
        content[len(content) - 1] ^= 1
        with assert_raises(contains="SHA-256 differs"):
            _ = decode(content)


def test_foreign_headers() raises:
    with assert_raises(contains="is not of dtype F32"):
        _ = with_header('{"a":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}}', 2)
    with assert_raises(contains="do not fit its shape"):
        _ = with_header('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', 4)
    with assert_raises(contains="is cut off"):
        _ = with_header('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 3)
    comptime first = '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
    with assert_raises(contains="overlap or leave a gap"):
        _ = with_header(first + '"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 8)
    with assert_raises(contains="overlap or leave a gap"):
        _ = with_header(first + '"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}', 12)
    with assert_raises(contains="has 8 bytes of data; its header says 4"):
        _ = with_header('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 8)
    with assert_raises(contains="would have 9223372036854775808 bytes"):
        _ = decode([0, 0, 0, 0, 0, 0, 0, 128])
    with assert_raises(contains="header is not UTF-8"):
        _ = decode([2, 0, 0, 0, 0, 0, 0, 0, 123, 255])
    with assert_raises(contains="has a strange shape"):
        _ = with_header('{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}', 4)
    with assert_raises(contains="has no shape"):
        _ = with_header('{"a":3}', 0)
    with assert_raises(contains="is no object"):
        _ = with_header("[1]", 0)
    with assert_raises(contains="no object of strings"):
        _ = with_header('{"__metadata__":{"a":1}}', 0)


def with_header(header: String, data_bytes: Int) raises -> Tensors:
    """A file with this header and as many zeros."""
    var content = List[UInt8]()
    for i in range(8):
        content.append(UInt8((header.byte_length() >> (8 * i)) & 255))
    content.extend(header.as_bytes())
    for _ in range(data_bytes):
        content.append(0)
    return decode(content)


def test_the_files_of_the_corpus() raises:
    var corpus = Json.parse(read_text("specs/models.json", 1 << 20))
    assert_true(corpus.length(0) > 40)
    for index in range(corpus.length(0)):
        var case_ = corpus.item(0, index)
        var accepted = True
        try:
            _ = decode(content_of(corpus, case_))
        except:
            accepted = False
        assert_equal(
            accepted,
            corpus.boolean(corpus.member(case_, "accepted")),
            corpus.text(corpus.member(case_, "name")),
        )


def content_of(corpus: Json, case_: Int) raises -> List[UInt8]:
    """The bytes of one file."""
    var bytes = corpus.member(case_, "bytes")
    if bytes != ABSENT:
        return from_hexadecimal(corpus.text(bytes))
    var header = corpus.text(corpus.member(case_, "header"))
    var content = List[UInt8]()
    for i in range(8):
        content.append(UInt8((header.byte_length() >> (8 * i)) & 255))
    content.extend(header.as_bytes())
    var data = corpus.member(case_, "data")
    if data != ABSENT:
        content.extend(from_hexadecimal(corpus.text(data)))
    return content^


def from_hexadecimal(digits: String) raises -> List[UInt8]:
    """The bytes that pairs of digits are."""
    var bytes = List[UInt8]()
    for i in range(0, digits.byte_length(), 2):
        bytes.append(UInt8(atol(digits[byte = i : i + 2], 16)))
    return bytes^


def test_limits() raises:
    var names = String()
    for i in range(10_001):
        var comma = "," if i > 0 else ""
        names += String(
            comma, '"', i, '":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
        )
    with assert_raises(contains="too many tensors"):
        _ = with_header("{" + names + "}", 0)
    with assert_raises(contains="brackets and commas"):
        _ = with_header('{"a":[' + String("[],") * 125_000 + "0]}", 0)
    with assert_raises(contains="is given more than once"):
        _ = with_header('{"__metadata__":{"a":"","a":""}}', 0)


def test_files_are_replaced_wholly() raises:
    with Scratch() as folder:
        var path = folder + "/file"
        write_atomic(path, "old".as_bytes())
        write_atomic(path, "new".as_bytes())
        assert_equal(read_text(path, 10), "new")
        with assert_raises(contains="more than 2 bytes"):
            _ = read_file(path, 2)
        with assert_raises(contains=": no such file"):
            _ = read_file(folder + "/other", 2)
        with assert_raises(contains="is not a regular file"):
            _ = read_file(folder, 2)
        with assert_raises(contains="expected a folder"):
            make_folder(path)
        with assert_raises(contains="cannot be written: Not a directory"):
            write_atomic(path + "/below", "x".as_bytes())


def test_numbers_for_people() raises:
    assert_equal(fixed(3.14159, 2), "3.14")
    assert_equal(fixed(2.999, 2), "3.00")
    assert_equal(fixed(0.05, 1), "0.1")
    assert_equal(fixed(7, 0), "7")
    assert_equal(percent(0.9871), "98.7 %")
    assert_equal(clock(61.4), "1:01")


def main() raises:
    TestSuite.discover_tests[__functions_in_module()]().run()
