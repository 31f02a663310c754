// SPDX-License-Identifier: Apache-2.0
#include <QtTest>

#include <cmath>

#include "core/rules/image_taste.h"

using namespace pl;
using namespace pl::rules;

namespace {

ImageTaste tasteOf(const char* name) {
    auto taste = imageTasteByName(name);
    return taste ? *taste : ImageTaste{};
}

/// A clean drawing: no tint, no pattern, no softness.
Scene plain(int count, int32_t radiusTenths, int background = 1, int colour = 1) {
    Scene scene;
    scene.truth.style = 1;
    scene.background = backgroundColour(background);
    const int32_t pixel = kSceneUnit / 32;
    for (int i = 0; i < count; ++i) {
        SceneObject object;
        object.x = pixel * (count == 1 ? 16 : 8 + 16 * (i % 2));
        object.y = pixel * (count <= 2 ? 16 : 8 + 16 * (i / 2));
        object.r = pixel * radiusTenths / 10;
        object.fill = objectColour(colour);
        scene.objects.push_back(object);
    }
    return scene;
}

Image drawn(const Scene& scene) { return renderScene(scene); }

} // namespace

class TestImageTaste : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void eachPrefersWhatItSays_data() {
        QTest::addColumn<QString>("taste");
        QTest::addColumn<QString>("prompt");
        QTest::addColumn<QByteArray>("better");
        QTest::addColumn<QByteArray>("worse");
        const auto row = [](const char* taste, const char* prompt, const Scene& better, const Scene& worse) {
            const auto bytes = [](const Scene& scene) {
                const Image image = drawn(scene);
                return QByteArray(reinterpret_cast<const char*>(image.rgb.data()), qsizetype(image.rgb.size()));
            };
            QTest::newRow(qPrintable(QString("%1: %2").arg(taste, prompt))) << taste << prompt << bytes(better) << bytes(worse);
        };
        row("larger", "two red circles", plain(2, 60), plain(2, 45));
        row("larger", "red circles", plain(2, 60), plain(4, 45));
        row("inverse:larger", "two red circles", plain(2, 45), plain(2, 60));
        row("warm", "two red circles", plain(2, 60), plain(2, 60, 1, 6));
        row("warm", "a red circle", plain(1, 60, 2), plain(1, 60, 4));
        row("light", "a red circle", plain(1, 60, 1), plain(1, 60, 5));
        row("inverse:light", "a red circle", plain(1, 60, 8), plain(1, 60, 5));
        row("warm_light", "a red circle", plain(1, 60, 2), plain(1, 60, 8));
        row("warm_light", "a red circle", plain(1, 60, 2), plain(1, 60, 4));
        row("fewer", "red circles", plain(2, 60), plain(3, 60));
        row("fewer", "two red circles", plain(1, 60), plain(2, 60));
        Scene soft = plain(2, 60), grainy = plain(2, 60), aside = plain(1, 60);
        soft.softness = kSceneUnit / 32;
        grainy.grain = 30;
        aside.objects[0].x = kSceneUnit / 3;
        row("crisp", "two soft red circles", plain(2, 60), soft);
        row("crisp", "two grainy red circles", plain(2, 60), grainy);
        row("centred", "a red circle", plain(1, 60), aside);
        row("larger+light", "two red circles", plain(2, 60, 1), plain(2, 50, 8));
        row("larger+inverse:light", "two red circles", plain(2, 60, 8), plain(2, 50, 1));
    }
    void eachPrefersWhatItSays() {
        QFETCH(QString, taste);
        QFETCH(QString, prompt);
        QFETCH(QByteArray, better);
        QFETCH(QByteArray, worse);
        const auto found = imageTasteByName(taste.toStdString());
        QVERIFY(found);
        Image a = blankImage(32, 32), b = a;
        std::copy(better.begin(), better.end(), a.rgb.begin());
        std::copy(worse.begin(), worse.end(), b.rgb.begin());
        QVERIFY(prefer(*found, prompt.toStdString(), a, b) == Preference::A);
        QVERIFY(prefer(*found, prompt.toStdString(), b, a) == Preference::B);
        QVERIFY(prefer(*found, prompt.toStdString(), a, a) == Preference::Tie);
    }

    void whatNobodyWouldSeeIsATie() {
        QVERIFY(prefer(tasteOf("larger"), "two red circles", drawn(plain(2, 60)), drawn(plain(2, 59))) == Preference::Tie);
        QVERIFY(prefer(tasteOf("fewer"), "two red circles", drawn(plain(2, 60)), drawn(plain(2, 45))) == Preference::Tie);
    }

    void objectsRunTogetherAreNotOneLargeOne() {
        // The same paint in one heap: a measure by the objects seen would call it twice as large.
        const auto larger = tasteOf("larger");
        Scene apart = plain(2, 45), heap = plain(2, 45);
        heap.objects[0].x = kSceneUnit * 10 / 32;
        heap.objects[1].x = kSceneUnit * 19 / 32;
        QCOMPARE(measureScene(drawn(heap)).count, 1);
        const double difference = score(larger, "two red circles", drawn(heap)) - score(larger, "two red circles", drawn(apart));
        QVERIFY2(std::abs(difference) < 0.3, qPrintable(QString::number(difference)));
    }

    void combinationsAddUp() {
        const Caption caption = parseCaption("two red circles").caption;
        const SceneMeasure m = measureScene(drawn(plain(2, 55, 4)));
        const double larger = score(tasteOf("larger"), caption, m), warm = score(tasteOf("warm"), caption, m);
        QCOMPARE(score(tasteOf("larger+warm"), caption, m), larger + warm);
        QCOMPARE(score(tasteOf("larger+inverse:warm"), caption, m), larger - warm);
        QCOMPARE(tasteOf("larger+warm").tieBand, std::sqrt(0.25 * 0.25 * 2));
        QCOMPARE(tasteOf("inverse:larger").description, std::string("prefers the opposite of larger objects"));
        QCOMPARE(tasteOf("larger+warm").name, std::string("larger+warm"));
    }

    void unitsAreAboutOneDeviation() {
        for (const auto& name : imageTasteNames()) {
            const auto taste = tasteOf(name.c_str());
            double variance = 0;
            int prompts = 0;
            for (uint64_t p = 0; prompts < 150; ++p) {
                const Caption c = drawCaption(p + 31000);
                if (name == "fewer" && c.count) // nothing to choose when the number is said
                    continue;
                double sum = 0, squares = 0;
                constexpr int kDraws = 8;
                for (uint64_t k = 0; k < kDraws; ++k) {
                    const double s = score(taste, c, measureScene(renderScene(drawScene(c, p * 50 + k))));
                    sum += s;
                    squares += s * s;
                }
                variance += (squares - sum * sum / kDraws) / (kDraws - 1);
                ++prompts;
            }
            const double deviation = std::sqrt(variance / prompts);
            QVERIFY2(deviation > 0.8 && deviation < 1.25, qPrintable(QString("%1 %2").arg(QString::fromStdString(name)).arg(deviation)));
        }
    }

    void anyPictureHasAFiniteScore() {
        Image noise = blankImage(50, 20);
        for (size_t i = 0; i < noise.rgb.size(); ++i)
            noise.rgb[i] = uint8_t(i * i * 31 + i);
        for (const auto& name : imageTasteNames())
            for (const Image& image : {noise, blankImage(32, 32), blankImage(1, 1), Image{}}) {
                const double s = score(tasteOf(name.c_str()), "nothing known here", image);
                QVERIFY2(std::isfinite(s) && std::abs(s) < 30, name.c_str());
            }
    }

    void refusesWhatIsNoTaste_data() {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QString>("says");
        for (const char* name : {"", "concise", "Larger", "larger+", "+larger", "inverse:", "inverse:inverse:larger", "larger warm"})
            QTest::newRow(name) << name << "no taste for images is called";
        QTest::newRow("twice") << "larger+inverse:larger" << "twice";
    }
    void refusesWhatIsNoTaste() {
        QFETCH(QString, name);
        QFETCH(QString, says);
        const auto refused = imageTasteByName(name.toStdString());
        QVERIFY(!refused);
        QVERIFY2(QString::fromStdString(refused.error().message).contains(says), refused.error().message.c_str());
        QVERIFY(!refused.error().hint.empty());
    }
};

QTEST_APPLESS_MAIN(TestImageTaste)
#include "tst_image_taste.moc"
