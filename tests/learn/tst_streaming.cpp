// SPDX-License-Identifier: Apache-2.0
// Weights go to and come from the disk a tensor at a time. Peaks of memory are of the process, so this stands alone.
#include <QtTest>

#include <array>
#include <fstream>

#include <torch/torch.h>

#include "core/base/hash.h"
#include "core/base/os/file_parts.h"
#include "core/base/os/files.h"
#include "core/learn/models/decoder.h"
#include "tests/learn/models.h"

using namespace pl;
using namespace pl::learn;

namespace {

/// Resident bytes at this moment.
uint64_t resident() {
    std::ifstream file("/proc/self/statm");
    uint64_t size = 0, pages = 0;
    file >> size >> pages;
    return pages * 4096;
}

/// How much more than now the process holds at most while `work` runs.
template<class Work>
int64_t extraOf(const Work& work) {
    std::ofstream("/proc/self/clear_refs") << "5"; // the peak begins again
    const auto before = static_cast<int64_t>(resident());
    work();
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;)
        if (word == "VmHWM:") {
            int64_t kilobytes = 0;
            status >> kilobytes;
            return kilobytes * 1024 - before;
        }
    qFatal("no peak of memory");
}

} // namespace

class TestStreaming : public QObject {
    Q_OBJECT
    std::string m_dir;

private Q_SLOTS:
    void initTestCase() {
        torch::set_num_threads(1);
        m_dir = must(os::makeTempDir("streaming"));
    }
    void cleanupTestCase() { (void)os::removeTree(m_dir); }

    /// 160 MB of weights in tensors of at most 8 MB.
    void aModelIsSavedAndReadInTheMemoryOfOneTensor() {
        auto config = tiny();
        config.vocabSize = 2048;
        config.hiddenSize = 512;
        config.heads = config.kvHeads = 8;
        config.headDim = 64;
        config.intermediateSize = 4096;
        config.layers = 5;
        Decoder model(config);
        model->initialise(3);
        const auto bytes = config.parameterCount() * 4;
        QVERIFY(bytes > 140'000'000);
        const std::string dir = m_dir + "/model";
        // A buffer of the size that one tensor may take twice, and what the allocator keeps.
        constexpr int64_t kMost = 40'000'000;
        QVERIFY(saveModel(model, dir, "").has_value()); // what is made once is made
        const int64_t saving = extraOf([&] { QVERIFY(saveModel(model, dir, "").has_value()); });
        QVERIFY2(saving < kMost, qPrintable(QString("saving took %1 bytes more").arg(saving)));
        const auto adapters = must(Adapters::attach(*model, model->adaptable(), {2, 4, "*", false, {}}, 7));
        const int64_t merging = extraOf([&] { QVERIFY(saveModel(model, dir, "", &adapters).has_value()); });
        QVERIFY2(merging < kMost, qPrintable(QString("saving merged weights took %1 bytes more").arg(merging)));
        const int64_t loading = extraOf([&] { must(loadModel(dir, torch::kCPU)); });
        QVERIFY2(loading < bytes + kMost, qPrintable(QString("loading %1 bytes took %2 more").arg(bytes).arg(loading)));
    }

    /// What is streamed is what was written whole, byte for byte.
    void theBytesAreTheSame() {
        TensorMap tensors{{"b", torch::arange(6, torch::kFloat32).view({2, 3})}, {"a", torch::arange(3, torch::kInt64)},
                          {"c", torch::arange(6, torch::kFloat32).view({2, 3}).t()}, {"flag", torch::tensor({true, false})}};
        QVERIFY(writeSafetensors(m_dir + "/t.safetensors", tensors, {{"note", "x"}}).has_value());
        const std::string header =
            R"({"__metadata__":{"format":"pt","note":"x"},"a":{"data_offsets":[0,24],"dtype":"I64","shape":[3]},)"
            R"("b":{"data_offsets":[24,48],"dtype":"F32","shape":[2,3]},"c":{"data_offsets":[48,72],"dtype":"F32","shape":[3,2]},)"
            R"("flag":{"data_offsets":[72,74],"dtype":"BOOL","shape":[2]}})";
        std::string expected(8, '\0'), text = header;
        text.resize((text.size() + 7) / 8 * 8, ' ');
        expected[0] = static_cast<char>(text.size() & 0xff);
        expected[1] = static_cast<char>(text.size() >> 8);
        expected += text;
        const auto append = [&](const auto& values) { expected.append(reinterpret_cast<const char*>(values.data()), sizeof values); };
        append(std::array<int64_t, 3>{0, 1, 2});
        append(std::array<float, 6>{0, 1, 2, 3, 4, 5});
        append(std::array<float, 6>{0, 3, 1, 4, 2, 5});
        expected += std::string("\1\0", 2);
        QVERIFY(must(os::readFile(m_dir + "/t.safetensors")) == expected);
    }

    void whatCannotBeMadeLeavesTheOldFile() {
        const std::string path = m_dir + "/kept.safetensors";
        QVERIFY(writeSafetensors(path, {{"a", torch::ones({2})}}).has_value());
        const std::string before = must(sha256File(path));
        TensorSources sources;
        sources.emplace("a", TensorSource{torch::kFloat32, {2}, [] { return torch::ones({3}); }});
        const auto written = streamSafetensors(path, sources);
        QVERIFY(!written && QString::fromStdString(written.error().message).contains("'a'"));
        QCOMPARE(must(sha256File(path)), before);
        QVERIFY(!os::writeFileInParts(path, [](const os::WriteBytes& write) -> Status {
            PL_CHECK(write("half"));
            return fail(Code::Io, "the disk is gone");
        }));
        QCOMPARE(must(sha256File(path)), before);
        const auto names = must(os::listDir(m_dir));
        QVERIFY(std::none_of(names.begin(), names.end(), [](const std::string& name) { return name.find(".tmp-") != std::string::npos; }));
    }
};

QTEST_GUILESS_MAIN(TestStreaming)
#include "tst_streaming.moc"
