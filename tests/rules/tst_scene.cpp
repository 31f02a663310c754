// SPDX-License-Identifier: Apache-2.0
#include <QtTest>

#include <cmath>
#include <set>

#include "core/base/hash.h"
#include "core/rules/scene.h"
#include "core/rules/scene_random.h"

using namespace pl;
using namespace pl::rules;

namespace {

Caption cap(const char* text) { return parseCaption(text).caption; }

std::string bytesOf(const Image& image) { return {image.rgb.begin(), image.rgb.end()}; }

Image noise(int32_t width, int32_t height, uint64_t seed) {
    Image image = blankImage(width, height);
    for (size_t i = 0; i < image.rgb.size(); ++i)
        image.rgb[i] = static_cast<uint8_t>(mix64(seed * 1000003 + i));
    return image;
}

/// Mean within-prompt standard deviation (root of the mean variance).
struct Spread {
    std::vector<double> all;
    double variance = 0;
    int prompts = 0;
    void add(const std::vector<double>& values) {
        double mean = 0, sum = 0;
        for (const double v : values)
            mean += v / static_cast<double>(values.size());
        for (const double v : values)
            sum += (v - mean) * (v - mean);
        variance += sum / static_cast<double>(values.size() - 1);
        ++prompts;
        all.insert(all.end(), values.begin(), values.end());
    }
    double within() const { return std::sqrt(variance / prompts); }
    double range() {
        std::sort(all.begin(), all.end());
        return all[all.size() * 99 / 100] - all[all.size() / 100];
    }
};

} // namespace

class TestScene : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void captionsAreParsed_data() {
        QTest::addColumn<QString>("text");
        QTest::addColumn<QList<int>>("slots_");
        const auto row = [](const char* text, QList<int> s) { QTest::newRow(text) << text << s; };
        row("three small red circles in a row on a striped grey background", {3, 1, 1, 1, 6, 3, 5});
        row("a red circle", {1, 0, 1, 1, 0, 0, 0});
        row("red circles", {0, 0, 1, 1, 0, 0, 0});
        row("red circle", {1, 0, 1, 1, 0, 0, 0});
        row("One BIG Blue Square.", {1, 3, 6, 2, 0, 0, 0});
        row("2 yellow stars on navy", {2, 0, 3, 5, 0, 0, 7});
        row("on a grey background, four orange rings", {4, 0, 2, 4, 0, 0, 5});
        row("on white, three red crosses", {3, 0, 1, 6, 0, 0, 1});
        row("a black star on a white background", {1, 0, 10, 5, 0, 0, 1});
        row("a white star on a black background", {1, 0, 9, 5, 0, 0, 8});
        row("a green triangle on the left on a rose background", {1, 0, 4, 3, 1, 0, 3});
        row("two circles, red", {2, 0, 1, 1, 0, 0, 0});
        row("two pink discs on a pink background", {2, 0, 8, 1, 0, 0, 3});
        row("three objects on a sky blue background", {3, 0, 0, 0, 0, 0, 4});
        row("some violet hoops in the middle", {0, 0, 7, 4, 5, 0, 0});
        row("a checkered background", {0, 0, 0, 0, 0, 4, 0});
        row("", {0, 0, 0, 0, 0, 0, 0});
    }
    void captionsAreParsed() {
        QFETCH(QString, text);
        QFETCH(QList<int>, slots_);
        const auto parsed = parseCaption(text.toStdString());
        const auto ids = parsed.caption.slots();
        QCOMPARE(QList<int>(ids.begin(), ids.end()), slots_);
        QVERIFY2(parsed.ignored.empty(), parsed.ignored.empty() ? "" : parsed.ignored.front().word.c_str());
    }

    void wordsWithoutEffectAreNamedWithTheirPlace() {
        using Why = ParsedCaption::Why;
        const std::string text = "five sleepy red cats and a grey circle, \xc3\xbc" "ber two rings";
        const auto parsed = parseCaption(text);
        std::vector<std::pair<std::string, Why>> got;
        for (const auto& word : parsed.ignored) {
            QCOMPARE(text.substr(word.offset, word.length), word.word);
            got.emplace_back(word.word, word.why);
        }
        const std::vector<std::pair<std::string, Why>> wanted = {{"five", Why::Unknown}, {"sleepy", Why::Unknown}, {"cats", Why::Unknown},
                                                                 {"grey", Why::Unused},  {"\xc3\xbc" "ber", Why::Unknown}, {"rings", Why::Unused}};
        QVERIFY(got == wanted);
        QCOMPARE(parsed.caption.colour, 1);
        QCOMPARE(parsed.caption.count, 2);
        QCOMPARE(parsed.caption.shape, 1);
        // Total and bounded.
        QCOMPARE(parseCaption(std::string(1 << 20, 'x')).ignored.size(), size_t{1});
        std::string many;
        for (int i = 0; i < 100000; ++i)
            many += "zz ";
        QCOMPARE(parseCaption(many).ignored.size(), size_t{1000});
        QVERIFY(parseCaption(std::string("\0\xff\xfe", 3)).ignored.size() == 1);
    }

    void captionsSurviveTheirText() {
        std::set<std::string> texts;
        for (uint64_t i = 0; i < 5000; ++i) {
            const Caption c = drawCaption(i);
            QVERIFY(isDrawable(c) && c.colour && c.shape);
            for (const uint64_t seed : {uint64_t{0}, i + 1}) {
                const std::string text = captionText(c, seed);
                const auto parsed = parseCaption(text);
                QVERIFY2(parsed.caption == c && parsed.ignored.empty(), text.c_str());
                texts.insert(text);
            }
        }
        QVERIFY(texts.size() > 4000);
        QCOMPARE(captionText(cap("3 tiny red discs in a line on a stripy gray backdrop")),
                 std::string("three small red circles in a row on a striped grey background"));
        QCOMPARE(captionText(cap("one orange box")), std::string("an orange square"));
        QCOMPARE(captionText({}), std::string("objects"));
    }

    void theTablesAgree() {
        QCOMPARE(slotSize(Slot::Count), 5);
        QCOMPARE(slotSize(Slot::Colour), 11);
        QCOMPARE(slotSize(Slot::Shape), 7);
        QCOMPARE(slotSize(Slot::Background), 9);
        std::set<std::string> names;
        for (int slot = 0; slot < kSlots; ++slot)
            names.insert(slotName(static_cast<Slot>(slot)));
        QCOMPARE(names.size(), size_t{kSlots});
        QVERIFY(Caption::of({9, -1, 1, 100, 0, 4, 8}) == (Caption{0, 0, 1, 0, 0, 4, 8}));
        for (int colour = 1; colour < 11; ++colour) { // every colour shows on some background, and every background shows some
            int shows = 0;
            for (int ground = 1; ground < 9; ++ground)
                shows += standsOut(colour, ground);
            QVERIFY(shows >= 4);
        }
    }

    void aSeedIsTheSamePictureEverywhere() {
        Sha256 hash;
        for (uint64_t i = 0; i < 200; ++i)
            hash.update(bytesOf(renderScene(drawScene(drawCaption(i), i, 0.3), i % 50 == 0 ? 100 : 32)));
        QCOMPARE(hash.hexDigest(), std::string(kFrozenPictures));
        QVERIFY(renderScene(drawScene(cap("two red rings"), 1)) != renderScene(drawScene(cap("two red rings"), 2)));
    }

    void theSceneShowsWhatTheCaptionSays() {
        for (uint64_t i = 0; i < 3000; ++i) {
            const Caption c = drawCaption(i);
            const Scene scene = drawScene(c, i * 7 + 1);
            const auto said = c.slots(), shown = scene.truth.slots();
            for (size_t s = 0; s < said.size(); ++s)
                QVERIFY2(said[s] == 0 || said[s] == shown[s], captionText(c).c_str());
            QCOMPARE(int(scene.objects.size()), scene.truth.count);
            QVERIFY(standsOut(scene.truth.colour, scene.truth.background));
            for (const SceneObject& o : scene.objects) {
                QVERIFY(o.r <= sizeRange(scene.truth.size).high && o.r >= sizeRange(scene.truth.size).low * 9 / 10);
                QVERIFY(std::min({o.x, o.y, kSceneUnit - o.x, kSceneUnit - o.y}) - o.r >= kSceneUnit / 32); // a pixel to the frame
                for (const SceneObject& p : scene.objects)
                    QVERIFY(&o == &p || std::max(std::abs(o.x - p.x), std::abs(o.y - p.y)) - o.r - p.r >= kSceneUnit * 19 / 10 / 32);
            }
        }
    }

    void anyCaptionIsDrawn() {
        for (uint64_t i = 0; i < 3000; ++i) {
            SceneRandom random(i, 1);
            Caption c{random.between(-1, 6), random.between(0, 4), random.between(0, 11), random.between(0, 7),
                      random.between(0, 8),  random.between(0, 5), random.between(0, 9)};
            const Scene scene = drawScene(c, i, 0.5);
            QVERIFY(!scene.objects.empty() || scene.defect == Defect::Missing);
            QCOMPARE(renderScene(scene, 1 + int(i % 40)).width, 1 + int(i % 40));
        }
        QCOMPARE(renderScene(drawScene({}, 1), 0).width, 1);
        QCOMPARE(renderScene({}, 32).rgb.size(), size_t{32 * 32 * 3});
    }

    void defectsComeAtTheirRateAndShow() {
        int kinds[5] = {};
        for (uint64_t i = 0; i < 2000; ++i) {
            const Caption c = drawCaption(i);
            const Scene scene = drawScene(c, i, 0.25), clean = drawScene(c, i);
            ++kinds[int(scene.defect)];
            QVERIFY(clean.defect == Defect::None);
            QCOMPARE(scene.defect == Defect::None, renderScene(scene) == renderScene(clean));
        }
        QVERIFY(std::abs(kinds[0] - 1500) < 90);
        for (int kind = 1; kind < 5; ++kind)
            QVERIFY(kinds[kind] > 60);
    }

    void aRuleReadsTrueDrawings() {
        constexpr int kScenes = 2000;
        int count = 0, colour = 0, shape = 0, background = 0, said = 0, obeyed = 0;
        for (uint64_t i = 0; i < kScenes; ++i) {
            const Caption c = drawCaption(1000000 + i);
            const Scene scene = drawScene(c, i);
            const SceneMeasure m = measureScene(renderScene(scene));
            count += m.count == scene.truth.count;
            colour += m.colour == scene.truth.colour;
            shape += m.shape == scene.truth.shape;
            background += m.background == scene.truth.background;
            obeyed += obedienceOf(c, m).all();
            ++said;
        }
        qInfo("true drawings: count %.4f, colour %.4f, shape %.4f, background %.4f, all that is said %.4f", double(count) / kScenes,
              double(colour) / kScenes, double(shape) / kScenes, double(background) / kScenes, double(obeyed) / said);
        QVERIFY(count >= 0.99 * kScenes);
        QVERIFY(colour >= 0.99 * kScenes);
        QVERIFY(shape >= 0.99 * kScenes);
        QVERIFY(background >= 0.99 * kScenes);
    }

    void theSizeOfThePictureDoesNotMatter() {
        int agree = 0;
        for (uint64_t i = 0; i < 60; ++i) {
            const Scene scene = drawScene(drawCaption(i), i);
            const SceneMeasure small = measureScene(renderScene(scene)), large = measureScene(renderScene(scene, 256));
            agree += small.count == large.count && small.colour == large.colour && small.shape == large.shape &&
                     small.background == large.background && std::abs(small.foreground - large.foreground) < 0.03;
        }
        QVERIFY2(agree >= 58, qPrintable(QString::number(agree)));
    }

    void obedienceSpeaksOfWhatIsSaid() {
        SceneMeasure m;
        m.count = 2, m.colour = 1, m.shape = 4, m.background = 5;
        const auto all = obedienceOf(cap("two red rings on grey"), m);
        QVERIFY(all.count == true && all.colour == true && all.shape == true && all.background == true && all.all());
        const auto some = obedienceOf(cap("blue rings"), m);
        QVERIFY(!some.count && some.colour == false && some.shape == true && !some.background && !some.all());
        QVERIFY(obedienceOf({}, m).all());
    }

    void everyPictureHasAReading() {
        for (const auto& [w, h] : {std::pair{1, 1}, {2, 3}, {32, 32}, {31, 33}, {300, 7}, {1024, 1024}})
            for (uint64_t seed = 0; seed < 3; ++seed) {
                const SceneMeasure m = measureScene(noise(w, h, seed));
                for (const double v : {m.foreground, m.meanArea, m.warmth, m.brightness, m.backgroundLightness, m.edge, m.noise, m.crispness, m.offCentre})
                    QVERIFY(std::isfinite(v) && v >= -1 && v <= 1);
                QVERIFY(m.count >= 0 && m.count <= 64 && m.background >= 1);
                QCOMPARE(size_t(m.count), m.objects.size());
            }
        const SceneMeasure grey = measureScene(blankImage(32, 32));
        QVERIFY(grey.count == 0 && grey.colour == 0 && grey.shape == 0 && grey.background == 8 && grey.crispness == 0);
        QCOMPARE(measureScene({}).background, 0);
        Image torn = blankImage(4, 4);
        torn.rgb.pop_back();
        QCOMPARE(measureScene(torn).background, 0);
    }

    void whatIsUnsaidVariesWithinAPrompt() {
        Spread size, warmth, light, crisp, off, brightness, count;
        for (uint64_t prompt = 0; prompt < 200; ++prompt) {
            const Caption c = drawCaption(prompt + 77000);
            std::vector<double> a, b, d, e, f, g, h;
            for (uint64_t k = 0; k < 12; ++k) {
                const SceneMeasure m = measureScene(renderScene(drawScene(c, prompt * 100 + k)));
                a.push_back(m.meanArea), b.push_back(m.warmth), d.push_back(m.backgroundLightness), e.push_back(m.crispness);
                f.push_back(m.offCentre), g.push_back(m.brightness), h.push_back(m.count);
            }
            size.add(a), warmth.add(b), light.add(d), crisp.add(e), off.add(f), brightness.add(g);
            if (c.count == 0)
                count.add(h); // the others are told how many
        }
        const std::pair<const char*, Spread*> axes[] = {{"size", &size},         {"warmth", &warmth},        {"background lightness", &light},
                                                        {"crispness", &crisp},   {"place", &off}, {"brightness", &brightness}, {"count", &count}};
        for (const auto& [name, axis] : axes) {
            qInfo("%s: %.3f of its range", name, axis->within() / axis->range());
            QVERIFY2(axis->within() >= 0.15 * axis->range(), name);
        }
    }

  private:
    static constexpr const char* kFrozenPictures = "3b989264301864983dd64beecbf3d7388697c357bb08a406e6791e824161b2b9";
};

QTEST_APPLESS_MAIN(TestScene)
#include "tst_scene.moc"
