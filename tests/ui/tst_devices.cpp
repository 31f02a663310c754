// SPDX-License-Identifier: GPL-3.0-or-later
// What fits on which device, and a run written out for TRL: parts of the Models, Train and Runs pages. Pictures go to screenshots/.
#include "tests/ui/find.h"
#include "tests/ui/runs_fixture.h"

#include "core/base/devices.h"
#include "core/base/model_folder.h"
#include "ui/models/fit_card.h"
#include "ui/models/models_page.h"
#include "ui/runs/trl_banner.h"
#include "ui/train/train_page.h"

using namespace pl;
using namespace pl::ui;
using namespace Qt::StringLiterals;
using fixture::shows;

namespace {

constexpr int kPatience = 30000; ///< ms; threads of their own answer
constexpr uint64_t kGiB = uint64_t{1} << 30;

std::vector<Device> someDevices() {
    std::vector<Device> out{{"cpu", "this machine", 64 * kGiB, 40 * kGiB}, {"cuda:0", "NVIDIA H200", 140 * kGiB, 139 * kGiB},
                            {"cuda:1", "NVIDIA H200", 140 * kGiB, 139 * kGiB}, {"cuda:2", "NVIDIA T4", 15 * kGiB, 14 * kGiB}};
    return out;
}

/// A model of 1.5 billion parameters: fits the largest, not the smallest.
ModelConfig largeModel() {
    const Json json = {{"model_type", "qwen2"}, {"architectures", {"Qwen2ForCausalLM"}}, {"hidden_size", 1536}, {"num_hidden_layers", 28},
                       {"num_attention_heads", 12}, {"num_key_value_heads", 2}, {"intermediate_size", 8960}, {"vocab_size", 151936},
                       {"max_position_embeddings", 32768}, {"rms_norm_eps", 1e-6}, {"tie_word_embeddings", true}, {"rope_theta", 1e6}};
    return fixture::must(ModelConfig::fromJson(json, "a test"));
}

std::unique_ptr<Page> make(const PageFactory& factory, fixture::Pages& pages) {
    std::unique_ptr<Page> page(factory.make(*pages.context));
    page->resize(1224, 734);
    page->show();
    page->activated();
    return page;
}

/// For the time of a test this machine has other devices.
struct Elsewhere {
    QTemporaryDir dir;
    Elsewhere() {
        const QString path = dir.filePath(u"devices.json"_s);
        fixture::must(os::writeFileAtomic(path.toStdString(), dumpJson(devicesToJson(someDevices()))));
        qputenv("PAIRLAB_DEVICES", path.toLocal8Bit());
    }
    ~Elsewhere() { qunsetenv("PAIRLAB_DEVICES"); }
};

} // namespace

class TestDevices : public QObject {
    Q_OBJECT
    static QStringList words(const QWidget& card) {
        QStringList out;
        for (const StatusChip* chip : card.findChildren<StatusChip*>())
            out.append(chip->accessibleName().section(u": "_s, 0, 0) + u'=' + chip->word());
        return out;
    }

private Q_SLOTS:
    void initTestCase() { applyTheme(*qApp, ThemeMode::Light); }

    void oneDeviceSaysWordAndAmountInACell() {
        FitCard card;
        card.show(largeModel(), {{"cpu", "this machine", 20 * kGiB, 0}});
        const auto chips = card.findChildren<StatusChip*>();
        QCOMPARE(chips.size(), qsizetype{8});
        QVERIFY2(chips[0]->word().startsWith(u"no, "_s), qPrintable(chips[0]->word()));
        QVERIFY2(chips[4]->word().startsWith(u"fits, "_s) || chips[4]->word().startsWith(u"tight, "_s), qPrintable(chips[4]->word()));
        QVERIFY(shows(card, u"Of 21.5 GB, in fp32"_s));
        card.show(largeModel(), {}); // not asked yet: the processor
        QCOMPARE(card.findChildren<StatusChip*>().size(), qsizetype{8});
    }

    void severalDevicesHaveAColumnEach() {
        FitCard card;
        card.show(largeModel(), {someDevices()[0]});
        card.show(largeModel(), someDevices()); // as they become known
        const QStringList said = words(card);
        QCOMPARE(said.size(), qsizetype{4 * 2 * 3});
        QVERIFY2(said.contains(u"SFT, all weights, cpu=fits"_s), qPrintable(said.join(u'\n')));
        QVERIFY2(said.contains(u"SFT, all weights, cuda:0, 1=fits"_s), qPrintable(said.join(u'\n')));
        QVERIFY(said.contains(u"SFT, all weights, cuda:2=no"_s));
        QVERIFY(shows(card, u"cuda:2 (NVIDIA T4) has 16.1 GB"_s));
        // Back to one device the table is as it was.
        card.show(largeModel(), {someDevices()[0]});
        QCOMPARE(card.findChildren<StatusChip*>().size(), qsizetype{8});
    }

    void theModelsPageShowsThem_data() {
        QTest::addColumn<int>("theme");
        QTest::addColumn<QString>("file");
        QTest::newRow("light") << static_cast<int>(ThemeMode::Light) << u"models_devices_light"_s;
        QTest::newRow("dark") << static_cast<int>(ThemeMode::Dark) << u"models_devices_dark"_s;
    }
    void theModelsPageShowsThem() {
        QFETCH(int, theme);
        QFETCH(QString, file);
        applyTheme(*qApp, static_cast<ThemeMode>(theme));
        const Elsewhere elsewhere;
        fixture::Pages pages;
        pages.addUsual();
        pages.open();
        auto page = make(modelsPage(), pages);
        QTRY_VERIFY_WITH_TIMEOUT(shows(*page, u"cuda:0, 1"_s) && shows(*page, u"NVIDIA T4"_s), kPatience);
        QTRY_VERIFY_WITH_TIMEOUT(page->findChildren<StatusChip*>().size() >= 24, kPatience);
        fixture::Pages::save(*page, file.toLatin1().constData());
        applyTheme(*qApp, ThemeMode::Light);
    }

    void trainMeasuresAgainstTheChosenDevice() {
        const Elsewhere elsewhere;
        fixture::Pages pages;
        pages.addUsual();
        pages.open();
        auto page = make(trainPage(), pages);
        page->openArgument(u"dpo"_s);
        QComboBox* devices = nullptr;
        for (QComboBox* box : page->findChildren<QComboBox*>())
            if (box->accessibleName() == u"Device"_s)
                devices = box;
        QVERIFY(devices);
        QTRY_COMPARE_WITH_TIMEOUT(devices->count(), 4, kPatience);
        QCOMPARE(devices->itemText(3), u"cuda:2"_s);
        QTRY_VERIFY_WITH_TIMEOUT(shows(*page, u"of 68.7 GB"_s), kPatience);
        devices->setCurrentIndex(3);
        QTRY_VERIFY_WITH_TIMEOUT(shows(*page, u"of 16.1 GB"_s), kPatience);
    }

    void aRunIsWrittenOutForTrl() {
        QTemporaryDir dir;
        const std::string base = dir.path().toStdString(), golden = std::string(PAIRLAB_SOURCE_DIR) + "/tests/golden/";
        fixture::must(os::makeDirs(base + "/model"));
        for (const char* file : {"trl/policy/config.json", "trl/policy/model.safetensors", "trl_steps/tokenizer.json", "trl_steps/tokenizer_config.json"})
            fixture::must(os::copyFile(golden + file, base + "/model/" + os::baseName(file)));
        fixture::Pages pages;
        const PluginCatalog catalog = findPlugins({fixture::pluginsIn(base + "/plugins")});
        const auto addRun = [&](const std::string& name, const Json& parameters, int logged) {
            pages.addRun(name, fixture::must(catalog.find(name.substr(5))->effectiveParameters(parameters)),
                         [&](EventWriter& w) {
                             for (int step = 1; step <= logged; ++step)
                                 fixture::must(w.metrics(step, 0, 0, {{"loss", 0.7}}));
                             bundles::Runs::end(w, "finished");
                         },
                         {{"policy", base + "/model", fixture::must(modelHash(base + "/model")), "start"}});
            fixture::must(os::writeFileAtomic(pages.runDir(name) + "/data/train.jsonl", R"({"prompt": "a", "chosen": "b", "rejected": "c"})" "\n"));
        };
        addRun("0001-dpo", {{"steps", 12}, {"batch_size", 2}}, 12);
        addRun("0002-dpo", {{"steps", 12}, {"batch_size", 2}}, 1);
        addRun("0003-image_dpo", Json::object(), 1);
        pages.open();
        const auto run = [&](const char* name) { return *pages.supervisor->find(name); };

        QWidget page;
        page.resize(900, 200);
        page.show();
        TrlBanner banner(*pages.context, &page);
        banner.chooseFolder = [&] { return dir.path(); };
        banner.offer(run("0001-dpo"));
        QTRY_VERIFY2_WITH_TIMEOUT(banner.text().contains(u"DPOTrainer; the model takes"_s), qPrintable(banner.text()), kPatience); // said before anything is written
        QVERIFY(!QFileInfo::exists(dir.filePath(u"0001-dpo-trl"_s)));
        Q_EMIT banner.actionTriggered();
        QTRY_VERIFY2_WITH_TIMEOUT(banner.text().startsWith(u"Written: "_s), qPrintable(banner.text()), kPatience);
        QVERIFY(QFileInfo::exists(dir.filePath(u"0001-dpo-trl/model/model.safetensors"_s)));
        // Without the model; the folder is taken first.
        banner.offer(run("0001-dpo"));
        QTRY_VERIFY_WITH_TIMEOUT(banner.text().contains(u"DPOTrainer"_s), kPatience);
        Q_EMIT banner.secondActionTriggered();
        QTRY_VERIFY2_WITH_TIMEOUT(banner.text().contains(u"exists already"_s), qPrintable(banner.text()), kPatience);
        QVERIFY(QDir(dir.filePath(u"0001-dpo-trl"_s)).removeRecursively());
        banner.offer(run("0001-dpo"));
        QTRY_VERIFY_WITH_TIMEOUT(banner.text().contains(u"DPOTrainer"_s), kPatience);
        Q_EMIT banner.secondActionTriggered();
        QTRY_VERIFY_WITH_TIMEOUT(banner.text().startsWith(u"Written: "_s), kPatience);
        QVERIFY(!QFileInfo::exists(dir.filePath(u"0001-dpo-trl/model"_s)));
        // Its first steps would have to be run again, and there is no worker beside this program.
        banner.offer(run("0002-dpo"));
        QTRY_VERIFY_WITH_TIMEOUT(banner.text().contains(u"the first steps are run again"_s), kPatience);
        banner.chooseFolder = [] { return QString(); };
        Q_EMIT banner.actionTriggered();
        QVERIFY(banner.text().contains(u"the first steps are run again"_s)); // a changed mind
        banner.chooseFolder = [&] { return dir.path(); };
        Q_EMIT banner.actionTriggered();
        QTRY_VERIFY2_WITH_TIMEOUT(banner.text().contains(u"pairlab-worker"_s), qPrintable(banner.text()), kPatience);
        QVERIFY(!QFileInfo::exists(dir.filePath(u"0002-dpo-trl"_s)));

        banner.offer(run("0003-image_dpo"));
        QTRY_VERIFY2_WITH_TIMEOUT(banner.text().contains(u"image model"_s), qPrintable(banner.text()), kPatience);
        QVERIFY(TrlBanner::offers("grpo") && !TrlBanner::offers("image_grpo") && !TrlBanner::offers("evaluate"));
    }
};

QTEST_MAIN(TestDevices)
#include "tst_devices.moc"
