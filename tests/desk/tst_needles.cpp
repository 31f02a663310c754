// SPDX-License-Identifier: Apache-2.0
// Many texts looked for at once, against looking for each of them alone.
#include <algorithm>
#include <random>

#include <QTest>

#include "core/desk/store/needles.h"

using namespace pl::desk;

class TestNeedles : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void findsWhatEachAloneWouldFind() {
        std::mt19937 random(7);
        const auto text = [&](size_t size) {
            std::string out;
            while (out.size() < size)
                out += "ab\"\n"[random() % 4]; // few letters: what begins alike and overlaps is the rule
            return out;
        };
        int found = 0, places = 0, overlaps = 0;
        for (int round = 0; round < 6000; ++round) {
            const size_t window = 1 + random() % 6;
            Needles needles(window);
            std::vector<std::string> forms;
            for (size_t i = random() % 5; i > 0; --i) {
                const std::string one = text(1 + random() % 6);
                needles.add(one);
                for (const std::string& form : {one, insideJson(one)})
                    if (form.size() >= window)
                        forms.push_back(form);
            }
            const std::string all = text(random() % 80);
            std::vector<bool> covered(all.size()), expected(all.size());
            for (const std::string& form : forms)
                for (size_t at = all.find(form); at != std::string::npos; at = all.find(form, at + 1))
                    std::fill_n(expected.begin() + long(at), form.size(), true);
            const bool any = std::find(expected.begin(), expected.end(), true) != expected.end();
            QCOMPARE(needles.in(all), any);
            size_t last = 0;
            for (const auto& [begin, end] : needles.placesIn(all)) {
                QVERIFY(begin >= last && begin < end && end <= all.size());
                last = end;
                std::fill(covered.begin() + long(begin), covered.begin() + long(end), true);
                ++places;
                overlaps += std::find(forms.begin(), forms.end(), all.substr(begin, end - begin)) == forms.end();
            }
            QVERIFY(covered == expected);
            found += any;
        }
        QVERIFY(found > 1000 && found < 5000 && places > found && overlaps > 100);
    }
    void bytesAreBytes() {
        Needles needles(12);
        needles.add("\xff\xfe h\xc3\xa9llo \x01 \x80");
        needles.add("short");
        QVERIFY(needles.in(std::string("\0\0", 2) + "\xff\xfe h\xc3\xa9llo \x01 \x80"));
        QVERIFY(!needles.in("short and h\xc3\xa9llo"));
        QVERIFY(!needles.in(""));
        QVERIFY(!Needles(12).in("nothing is looked for"));
    }
};

QTEST_GUILESS_MAIN(TestNeedles)
#include "tst_needles.moc"
