// SPDX-License-Identifier: Apache-2.0
#include <QtTest>

#include "core/base/devices.h"
#include "tests/base/check.h"

using namespace pl;

class TestDevices : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void readsWhatNvidiaSmiPrints() {
        const auto cards = nvidiaCards("NVIDIA H200, 143771, 143157\nNVIDIA RTX A4000, Laptop, 16376, 12\r\n\nFailed to initialize NVML: Driver/library\n"
                                       "x, y, z\n, 1, 2\nNVIDIA T4, 15360, -1\nNVIDIA T4, 99999999999999999999, 1");
        QCOMPARE(cards.size(), size_t{2});
        QCOMPARE(cards[0], (Device{"", "NVIDIA H200", uint64_t{143771} << 20, uint64_t{143157} << 20}));
        QCOMPARE(cards[1].title, std::string("NVIDIA RTX A4000, Laptop"));
        QCOMPARE(cards[1].free, uint64_t{12} << 20);
        QVERIFY(nvidiaCards("").empty() && nvidiaCards(",").empty() && nvidiaCards(",,").empty());
    }

    void aListSurvivesItsJson() {
        const std::vector<Device> list{{"cpu", "this machine", 8, 4}, {"cuda:0", "NVIDIA H200", uint64_t{1} << 37, 0}};
        const auto back = devicesFromJson(devicesToJson(list), "a list");
        QVERIFY(back && *back == list);
        for (const char* bad : {"[]", "{}", R"({"devices": 1})", R"({"devices": [{"name": "cpu"}]})",
                                R"({"devices": [{"name": "cpu", "title": "", "total": -1, "free": 0}]})",
                                R"({"devices": [{"name": "", "title": "", "total": 1, "free": 0}]})"})
            QVERIFY2(!devicesFromJson(Json::parse(bad), "a list"), bad);
        QCOMPARE(cpuDevice().name, std::string("cpu"));
        QVERIFY(cpuDevice().total > 0);
    }

    void equalCardsAreOneColumn() {
        const Device cpu{"cpu", "this machine", 64, 1};
        const auto card = [](int i, const char* title, uint64_t total) { return Device{"cuda:" + std::to_string(i), title, total, 0}; };
        const auto labels = [](const std::vector<Device>& devices) {
            std::string out;
            for (const DeviceKind& kind : deviceKinds(devices))
                out += (out.empty() ? "" : "; ") + kind.label;
            return out;
        };
        QCOMPARE(labels({cpu}), std::string("cpu"));
        QCOMPARE(labels({cpu, card(0, "A", 24)}), std::string("cpu; cuda:0"));
        QCOMPARE(labels({cpu, card(0, "A", 24), card(1, "A", 24)}), std::string("cpu; cuda:0, 1"));
        QCOMPARE(labels({cpu, card(0, "A", 24), card(1, "A", 24), card(2, "A", 24)}), std::string("cpu; cuda:0 to 2"));
        QCOMPARE(labels({cpu, card(0, "A", 24), card(1, "B", 48), card(2, "A", 24), card(3, "A", 48)}), std::string("cpu; cuda:0, 2; cuda:1; cuda:3"));
        // A processor is never one of the cards.
        QCOMPARE(labels({{"cpu", "A", 24, 0}, card(0, "A", 24)}), std::string("cpu; cuda:0"));
    }

    void memoryIsReadWithItsUnit() {
        QCOMPARE(*memoryOf("24G"), uint64_t{24} << 30);
        QCOMPARE(*memoryOf("24"), uint64_t{24} << 30);
        QCOMPARE(*memoryOf(" 1.5 gib "), uint64_t{3} << 29);
        QCOMPARE(*memoryOf("512MB"), uint64_t{512} << 20);
        QCOMPARE(*memoryOf("2T"), uint64_t{2} << 40);
        for (const char* bad : {"", "G", "0", "-3G", "nan", "inf", "1e30", "24X", "24 GG", "0.1K", "24G more"}) {
            const auto out = memoryOf(bad);
            QVERIFY2(!out && out.error().code == Code::InvalidInput, bad);
        }
    }
};

QTEST_GUILESS_MAIN(TestDevices)
#include "tst_devices.moc"
