// SPDX-License-Identifier: Apache-2.0
#include <QtTest>

#include <torch/torch.h>

#include "core/base/hash.h"
#include "core/base/os/files.h"
#include "core/learn/weights/safetensors.h"

using namespace pl;
using namespace pl::learn;

namespace {

std::string lengthField(uint64_t n) {
    std::string bytes;
    for (int i = 0; i < 8; ++i)
        bytes.push_back(static_cast<char>(n >> (8 * i) & 0xff));
    return bytes;
}

/// A file of a header's text and so many bytes of data.
std::string fileOf(const std::string& header, size_t data) {
    return lengthField(header.size()) + header + std::string(data, '\0');
}

std::string entry(const std::string& name, const std::string& shape, uint64_t begin, uint64_t end,
                  const std::string& dtype = "F32") {
    return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":[" + std::to_string(begin) +
           "," + std::to_string(end) + "]}";
}

std::string one(const std::string& shape, uint64_t begin, uint64_t end, const std::string& dtype = "F32") {
    return "{" + entry("a", shape, begin, end, dtype) + "}";
}

} // namespace

class TestSafetensors : public QObject {
    Q_OBJECT
    std::string m_dir;
    std::string path(const char* name) const { return os::joinPath(m_dir, name); }

private Q_SLOTS:
    void initTestCase() {
        auto dir = os::makeTempDir("safetensors");
        QVERIFY(dir.has_value());
        m_dir = *dir;
    }
    void cleanupTestCase() { (void)os::removeTree(m_dir); }

    void writesAndReadsEveryType() {
        TensorMap tensors{{"f64", torch::rand({3}, torch::kFloat64)},
                          {"f32", torch::randn({2, 3})},
                          {"f16", torch::randn({5}).to(torch::kFloat16)},
                          {"bf16", torch::randn({5}).to(torch::kBFloat16)},
                          {"i64", torch::arange(4, torch::kInt64) - 2},
                          {"i32", torch::arange(4, torch::kInt32)},
                          {"i16", torch::arange(3, torch::kInt16)},
                          {"i8", torch::arange(3, torch::kInt8)},
                          {"u8", torch::arange(3, torch::kUInt8)},
                          {"bool", torch::tensor({true, false, true})},
                          {"scalar", torch::tensor(2.5f)},
                          {"empty", torch::empty({0, 7})},
                          {"strided", torch::randn({4, 6}).t()}};
        QVERIFY(writeSafetensors(path("all.safetensors"), tensors, {{"note", "x"}}).has_value());
        const auto read = readSafetensors(path("all.safetensors"));
        QVERIFY2(read.has_value(), read ? "" : read.error().toString().c_str());
        QCOMPARE(read->size(), tensors.size());
        for (const auto& [name, tensor] : tensors) {
            QVERIFY(read->at(name).scalar_type() == tensor.scalar_type());
            QVERIFY2(torch::equal(read->at(name), tensor), name.c_str());
        }
        const auto header = readSafetensorsHeader(path("all.safetensors"));
        QVERIFY(header.has_value());
        QCOMPARE(QString::fromStdString(header->at("bf16").dtype), QString("BF16"));
        QVERIFY(header->at("strided").shape == (std::vector<int64_t>{6, 4}));
    }

    void readsWhatOthersWrote() {
        const auto read = readSafetensors(PAIRLAB_SOURCE_DIR "/tests/golden/llama/base/expected.safetensors");
        QVERIFY(read.has_value());
        QVERIFY(read->at("logits").sizes() == (std::vector<int64_t>{4, 12, 97}));
        QCOMPARE(read->at("input_ids")[0][1].item<int64_t>(), int64_t{14});
    }

    void survivesTruncationOfTheFileAfterReading() {
        QVERIFY(writeSafetensors(path("t.safetensors"), {{"a", torch::ones({1000})}}).has_value());
        const auto read = readSafetensors(path("t.safetensors"));
        QVERIFY(read.has_value());
        QVERIFY(os::writeFileAtomic(path("t.safetensors"), "").has_value());
        QCOMPARE(read->at("a").sum().item<float>(), 1000.0f);
    }

    void refuses_data() {
        QTest::addColumn<QByteArray>("bytes");
        QTest::addColumn<QString>("says"); // part of the message: the rule or the tensor
        const auto row = [](const char* name, const std::string& bytes, const char* says) {
            QTest::newRow(name) << QByteArray::fromStdString(bytes) << QString(says);
        };
        const std::string good = one("[2]", 0, 8);
        row("empty file", "", "fewer than");
        row("seven bytes", "1234567", "fewer than");
        row("length alone", lengthField(2), "claims 2 bytes");
        row("length past the end", lengthField(1000) + good, "claims 1000");
        row("length wraps when 8 is added", lengthField(~uint64_t{0} - 3) + good, "claims");
        row("length above the limit", lengthField(200'000'000) + std::string(64, ' '), "claims");
        row("zero header", lengthField(0) + std::string(8, '\0'), "does not begin");
        row("header begins with a space", fileOf(" " + good, 8), "does not begin");
        row("header is a list", fileOf("[1]", 0), "does not begin");
        row("header cut", fileOf(good.substr(0, good.size() - 3), 8), "header");
        row("trailing comma", fileOf("{" + entry("a", "[2]", 0, 8) + ",}", 8), "header");
        row("two objects", fileOf(good + "{}", 8), "header");
        row("invalid UTF-8 in a name", fileOf("{" + entry("a\xff", "[2]", 0, 8) + "}", 8), "header");
        row("duplicate name", fileOf("{" + entry("a", "[2]", 0, 8) + "," + entry("a", "[2]", 8, 16) + "}", 16), "header");
        row("duplicate key in an entry",
            fileOf("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8), "header");
        row("nested beyond the limit", fileOf("{\"a\":" + std::string(200, '[') + std::string(200, ']') + "}", 0), "header");
        row("entry is a number", fileOf("{\"a\":1}", 0), "not an object");
        row("no dtype", fileOf("{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8), "dtype");
        row("dtype is a number", fileOf("{\"a\":{\"dtype\":7,\"shape\":[2],\"data_offsets\":[0,8]}}", 8), "dtype");
        row("unknown dtype", fileOf(one("[2]", 0, 8, "F31"), 8), "F31");
        row("8-bit float", fileOf(one("[8]", 0, 8, "F8_E4M3"), 8), "F8_E4M3");
        row("unknown key", fileOf("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"x\":1}}", 8), "unknown key");
        row("no shape", fileOf("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8), "shape");
        row("shape is text", fileOf(one("\"2\"", 0, 8), 8), "shape");
        row("negative dimension", fileOf(one("[-2]", 0, 8), 8), "dimension");
        row("fractional dimension", fileOf(one("[2.0]", 0, 8), 8), "dimension");
        row("dimension above 2^48", fileOf(one("[562949953421312,0]", 0, 0), 0), "dimension");
        row("product wraps to a small number",
            fileOf(one("[68719476736,68719476736,4]", 0, 8), 8), "overflows");
        row("nine dimensions", fileOf(one("[1,1,1,1,1,1,1,1,2]", 0, 8), 8), "dimensions");
        row("no offsets", fileOf("{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8), "data_offsets");
        row("one offset", fileOf("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", 8), "data_offsets");
        row("negative offset", fileOf("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}", 8), "data_offsets");
        row("offset as a float", fileOf("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8.0]}}", 8), "data_offsets");
        row("end before begin", fileOf(one("[2]", 8, 0), 8), "data_offsets");
        row("end past the data", fileOf(one("[4]", 0, 16), 8), "data_offsets");
        row("offsets near 2^64", fileOf("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[18446744073709551608,"
                                        "18446744073709551615]}}", 8), "data_offsets");
        row("shape smaller than offsets", fileOf(one("[1]", 0, 8), 8), "its shape needs 4 bytes");
        row("shape larger than offsets", fileOf(one("[3]", 0, 8), 8), "its shape needs 12 bytes");
        row("empty shape with data", fileOf(one("[0]", 0, 8), 8), "its shape needs 0 bytes");
        row("hole at the start", fileOf(one("[2]", 8, 16), 16), "hole or overlap");
        row("hole between", fileOf("{" + entry("a", "[1]", 0, 4) + "," + entry("b", "[1]", 8, 12) + "}", 12), "hole or overlap");
        row("overlap", fileOf("{" + entry("a", "[2]", 0, 8) + "," + entry("b", "[2]", 4, 12) + "}", 12), "hole or overlap");
        row("two tensors on the same bytes", fileOf("{" + entry("a", "[2]", 0, 8) + "," + entry("b", "[2]", 0, 8) + "}", 8),
            "hole or overlap");
        row("trailing bytes", fileOf(good, 9), "cover 8 of 9");
        row("data cut", fileOf(good, 7), "data_offsets");
        row("metadata is a list", fileOf("{\"__metadata__\":[]," + entry("a", "[2]", 0, 8) + "}", 8), "__metadata__");
        row("metadata value is a number", fileOf("{\"__metadata__\":{\"n\":1}," + entry("a", "[2]", 0, 8) + "}", 8), "__metadata__");
        row("empty name", fileOf("{" + entry("", "[2]", 0, 8) + "}", 8), "name");
        row("NUL in a name", fileOf("{" + entry("a\\u0000b", "[2]", 0, 8) + "}", 8), "name");
        row("newline in a name", fileOf("{" + entry("a\\nb", "[2]", 0, 8) + "}", 8), "name");
        row("very long name", fileOf("{" + entry(std::string(2000, 'a'), "[2]", 0, 8) + "}", 8), "name");
        row("truth value 2", fileOf(one("[4]", 0, 4, "BOOL"), 0) + std::string("\0\1\2\0", 4), "truth value");
        row("zip archive", std::string("PK\3\4") + std::string(100, 'x'), "pickle");
        row("pickle", std::string("\x80\2}q\0.", 6) + std::string(100, 'x'), "pickle");
    }
    void refuses() {
        QFETCH(QByteArray, bytes);
        QFETCH(QString, says);
        const std::string file = path("bad.safetensors");
        QVERIFY(os::writeFileAtomic(file, bytes.toStdString()).has_value());
        const auto read = readSafetensors(file);
        QVERIFY(!read.has_value());
        QVERIFY(read.error().code == Code::Corrupt || read.error().code == Code::Unsupported);
        const auto message = QString::fromStdString(read.error().message);
        QVERIFY2(message.contains("bad.safetensors"), qPrintable(message));
        QVERIFY2(message.contains(says), qPrintable(message));
    }

    void theUnbrokenFileOfTheTableIsAccepted() {
        QVERIFY(os::writeFileAtomic(path("good.safetensors"), fileOf(one("[2]", 0, 8), 8)).has_value());
        QVERIFY(readSafetensors(path("good.safetensors")).has_value());
    }

    void namesAMissingFile() {
        const auto read = readSafetensors(path("nowhere.safetensors"));
        QVERIFY(!read.has_value());
        QVERIFY(QString::fromStdString(read.error().message).contains("nowhere.safetensors"));
    }

    /// Every answer to a damaged file is a value or an error, never a crash, and never reads more than there is.
    void survivesRandomMutations() {
        const auto original = os::readFile(PAIRLAB_SOURCE_DIR "/tests/golden/llama/reward/model.safetensors");
        QVERIFY(original.has_value());
        const size_t header = 8 + static_cast<unsigned char>((*original)[0]) + 256u * static_cast<unsigned char>((*original)[1]);
        int accepted = 0;
        for (uint64_t i = 0; i < 400; ++i) {
            std::string bytes = *original;
            const auto draw = [&](uint64_t k, uint64_t n) { return mix64(i * 31 + k) % n; };
            switch (draw(0, 4)) {
            case 0: bytes[draw(1, header)] = static_cast<char>(draw(2, 256)); break;
            case 1: bytes.resize(draw(1, bytes.size())); break;
            case 2: bytes.insert(draw(1, header), 1, static_cast<char>(draw(2, 128))); break;
            default: bytes.erase(draw(1, header), 1 + draw(2, 16)); break;
            }
            QVERIFY(os::writeFileAtomic(path("m.safetensors"), bytes).has_value());
            accepted += readSafetensors(path("m.safetensors")).has_value() ? 1 : 0;
        }
        QVERIFY2(accepted < 60, qPrintable(QString::number(accepted))); // a changed letter of a name is a valid file
    }
};

QTEST_GUILESS_MAIN(TestSafetensors)
#include "tst_safetensors.moc"
