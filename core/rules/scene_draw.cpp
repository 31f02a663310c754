// SPDX-License-Identifier: Apache-2.0
// A caption and a seed to a scene, a scene to pixels. Whole numbers throughout.
#include <algorithm>
#include <cstdlib>

#include "core/rules/scene.h"
#include "core/rules/scene_random.h"

namespace pl::rules {

namespace {

constexpr int32_t kPixel = kSceneUnit / 32;   ///< of a picture of 32 x 32
constexpr int32_t kMargin = kPixel * 5 / 4;   ///< between an object and the frame
constexpr int32_t kGap = kPixel * 2;          ///< between two objects

constexpr int32_t pixels(int hundredths) { return static_cast<int32_t>(int64_t{kPixel} * hundredths / 100); }

/// One picture of where objects stand, in hundredths of a pixel of 32 x 32.
struct Pattern {
    int layout;
    std::vector<std::array<int, 2>> at;
    int movesX, movesY; ///< as far as the layout's word stays true
};

Arrangement arrange(const Pattern& pattern) {
    Arrangement out;
    out.layout = pattern.layout;
    out.count = static_cast<int>(pattern.at.size());
    out.movesX = pixels(pattern.movesX);
    out.movesY = pixels(pattern.movesY);
    out.most = kSceneUnit;
    for (size_t i = 0; i < pattern.at.size(); ++i) {
        out.x[i] = pixels(pattern.at[i][0]);
        out.y[i] = pixels(pattern.at[i][1]);
        for (const int32_t place : {out.x[i], out.y[i]})
            out.most = std::min(out.most, std::min(place, kSceneUnit - place) - kMargin);
        for (size_t j = 0; j < i; ++j)
            out.most = std::min(out.most, (std::max(std::abs(out.x[i] - out.x[j]), std::abs(out.y[i] - out.y[j])) - kGap) / 2);
    }
    return out;
}

const std::vector<Arrangement>& allArrangements() {
    static const std::vector<Arrangement> all = [] {
        constexpr int kFree = 3200;
        const std::vector<Pattern> patterns = {
            // One.
            {0, {{1600, 1600}}, kFree, kFree},
            {1, {{950, 1600}}, 300, kFree},
            {2, {{2250, 1600}}, 300, kFree},
            {3, {{1600, 950}}, kFree, 300},
            {4, {{1600, 2250}}, kFree, 300},
            {5, {{1600, 1600}}, 150, 150},
            // Two.
            {1, {{850, 850}, {850, 2350}}, 250, 400},
            {2, {{2350, 850}, {2350, 2350}}, 250, 400},
            {3, {{850, 850}, {2350, 850}}, 400, 250},
            {4, {{850, 2350}, {2350, 2350}}, 400, 250},
            {5, {{1020, 1600}, {2180, 1600}}, 100, 250},
            {5, {{1600, 1020}, {1600, 2180}}, 250, 100},
            {6, {{800, 1600}, {2400, 1600}}, 400, 120},
            {7, {{850, 850}, {2350, 2350}}, kFree, kFree},
            {7, {{2350, 850}, {850, 2350}}, kFree, kFree},
            {7, {{800, 1600}, {2400, 1600}}, kFree, kFree},
            {7, {{1600, 800}, {1600, 2400}}, kFree, kFree},
            // Three.
            {1, {{800, 560}, {800, 1600}, {800, 2640}}, 250, 100},
            {2, {{2400, 560}, {2400, 1600}, {2400, 2640}}, 250, 100},
            {3, {{560, 800}, {1600, 800}, {2640, 800}}, 100, 250},
            {4, {{560, 2400}, {1600, 2400}, {2640, 2400}}, 100, 250},
            {6, {{560, 1600}, {1600, 1600}, {2640, 1600}}, 100, 120},
            {7, {{1600, 850}, {800, 2350}, {2400, 2350}}, kFree, kFree},
            {7, {{1600, 2350}, {800, 850}, {2400, 850}}, kFree, kFree},
            {7, {{850, 1600}, {2350, 800}, {2350, 2400}}, kFree, kFree},
            {7, {{2350, 1600}, {850, 800}, {850, 2400}}, kFree, kFree},
            // Four.
            {7, {{850, 850}, {2350, 850}, {850, 2350}, {2350, 2350}}, kFree, kFree},
            {7, {{1600, 600}, {600, 1600}, {2600, 1600}, {1600, 2600}}, kFree, kFree},
        };
        std::vector<Arrangement> out;
        for (const Pattern& pattern : patterns)
            out.push_back(arrange(pattern));
        return out;
    }();
    return all;
}

uint8_t byteOf(int value) { return static_cast<uint8_t>(std::clamp(value, 0, 255)); }

Rgb shifted(Rgb c, int light, int warm) { return {byteOf(c.r + light + warm), byteOf(c.g + light), byteOf(c.b + light - warm)}; }

/// The tint no caption speaks of.
Rgb tinted(Rgb c, SceneRandom& random, int light, int warm, int loose) {
    const Rgb out = shifted(c, random.between(-light, light), random.between(-warm, warm));
    return {byteOf(out.r + random.between(-loose, loose)), byteOf(out.g + random.between(-loose, loose)),
            byteOf(out.b + random.between(-loose, loose))};
}

/// The size and the arrangement for what the caption leaves open.
const Arrangement& choosePlaces(Caption& c, SceneRandom& random) {
    // What cannot be had gives way, the layout first.
    if (arrangementsFor(c.count, c.layout).empty())
        c.layout = 0;
    const auto& all = arrangementsFor(c.count, c.layout);
    if (c.size == 0) {
        int most = 1;
        for (int size = 2; size < slotSize(Slot::Size); ++size)
            if (std::any_of(all.begin(), all.end(), [&](const auto& a) { return a.most >= sizeRange(size).low; }))
                most = size;
        c.size = 1 + random.below(most);
    }
    std::vector<const Arrangement*> roomy, spread;
    for (const Arrangement& a : all)
        if (a.most >= sizeRange(c.size).low) {
            roomy.push_back(&a);
            if (a.layout == 0 || a.layout == 7)
                spread.push_back(&a);
        }
    if (roomy.empty())
        return *std::max_element(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.most < b.most; });
    if (!spread.empty() && random.chance(50)) // else the many words for one place would crowd out the plain patterns
        return *spread[static_cast<size_t>(random.below(static_cast<int>(spread.size())))];
    return *roomy[static_cast<size_t>(random.below(static_cast<int>(roomy.size())))];
}

/// How far all objects may be moved, each on its own, without touching.
void freedom(const Arrangement& a, int32_t r, int32_t& movesX, int32_t& movesY) {
    movesX = a.movesX;
    movesY = a.movesY;
    for (int i = 0; i < a.count; ++i) {
        movesX = std::min(movesX, std::min(a.x[i], kSceneUnit - a.x[i]) - kMargin - r);
        movesY = std::min(movesY, std::min(a.y[i], kSceneUnit - a.y[i]) - kMargin - r);
        for (int j = 0; j < i; ++j) {
            const int32_t dx = std::abs(a.x[i] - a.x[j]), dy = std::abs(a.y[i] - a.y[j]);
            int32_t& moves = dx >= dy ? movesX : movesY;
            moves = std::min(moves, (std::max(dx, dy) - kGap - 2 * r) / 2);
        }
    }
    movesX = std::max(movesX, 0);
    movesY = std::max(movesY, 0);
}

void applyDefect(Scene& scene, SceneRandom& random) {
    switch (random.below(4)) {
    case 0:
        scene.defect = Defect::Noise;
        scene.grain = random.between(40, 80);
        return;
    case 1:
        scene.defect = Defect::Blur;
        scene.softness = random.between(pixels(180), pixels(300));
        return;
    case 2:
        if (scene.objects.size() > 1) {
            scene.defect = Defect::Missing;
            scene.objects.erase(scene.objects.begin() + random.below(static_cast<int>(scene.objects.size())));
            return;
        }
        [[fallthrough]];
    default:
        break;
    }
    scene.defect = Defect::WrongColour;
    SceneObject& object = scene.objects[static_cast<size_t>(random.below(static_cast<int>(scene.objects.size())))];
    int other = object.colour;
    while (other == object.colour || !standsOut(other, scene.truth.background))
        other = 1 + random.below(slotSize(Slot::Colour) - 1);
    object.colour = other;
    object.fill = objectColour(other);
}

/// Whether (x, y), relative to the centre, is inside a shape of half width r. A circle of radius r has the same half width as the
/// others, which fill it differently.
bool inside(int shape, int64_t x, int64_t y, int64_t r) {
    const int64_t ax = std::abs(x), ay = std::abs(y);
    switch (shape) {
    case 2: // square
        return 10 * ax <= 9 * r && 10 * ay <= 9 * r;
    case 3: // triangle: tip (0, -r), foot at 0.9 r
        return 10 * y <= 9 * r && 19 * ax <= 10 * (y + r);
    case 4: { // ring
        const int64_t d = x * x + y * y;
        return d <= r * r && 4 * d >= r * r;
    }
    case 5: { // star, in thousandths of r; the right half of its outline
        static constexpr int64_t px[] = {0, 309, 999, 499, 617, 0}, py[] = {-950, -325, -224, 262, 949, 625};
        bool in = false;
        for (int i = 0; i < 5; ++i) {
            const int64_t y0 = py[i] * r, y1 = py[i + 1] * r, yy = y * 1000;
            if ((y0 <= yy) == (y1 <= yy))
                continue;
            // Left of the edge: ax * 1000 < x0 + (x1 - x0) (yy - y0) / (y1 - y0), without the division.
            const int64_t lhs = (ax * 1000 - px[i] * r) * (y1 - y0) / r, rhs = (px[i + 1] - px[i]) * (yy - y0);
            in = in != ((y1 > y0) == (lhs < rhs));
        }
        return in;
    }
    case 6: // cross
        return ax <= r && ay <= r && (25 * ax <= 9 * r || 25 * ay <= 9 * r);
    default: // circle
        return x * x + y * y <= r * r;
    }
}

struct Canvas {
    int32_t side;
    int samples; ///< per pixel and axis
    /// Centre of sample s (0 .. side * samples - 1), in scene units.
    int64_t at(int64_t s) const { return (2 * s + 1) * kSceneUnit / (int64_t{2} * side * samples); }
    int64_t edge(int64_t pixel) const { return pixel * kSceneUnit / side; }
};

Rgb shaded(const SceneObject& object, int64_t y) {
    if (object.shading == 0)
        return object.fill;
    return shifted(object.fill, static_cast<int>(object.shading * std::clamp<int64_t>(y, -object.r, object.r) / (2 * object.r)), 0);
}

void paintBackground(const Scene& scene, const Canvas& canvas, Image& out) {
    const int style = scene.truth.style;
    const int64_t cell = int64_t{std::max(1, scene.cell)} * kPixel;
    uint8_t* p = out.rgb.data();
    for (int32_t j = 0; j < canvas.side; ++j)
        for (int32_t i = 0; i < canvas.side; ++i, p += 3) {
            const int64_t x = (2 * int64_t{i} + 1) * kSceneUnit / (2 * canvas.side), y = (2 * int64_t{j} + 1) * kSceneUnit / (2 * canvas.side);
            const int64_t along = scene.pattern == 0 ? y : scene.pattern == 1 ? x : (x + y) / 2;
            Rgb c = scene.background;
            if (style == 2) {
                const auto mix = [&](int a, int b) { return byteOf(static_cast<int>(a + (b - a) * along / kSceneUnit)); };
                c = {mix(c.r, scene.second.r), mix(c.g, scene.second.g), mix(c.b, scene.second.b)};
            } else if (style == 3 && (scene.pattern == 2 ? (x + y) / cell : along / cell) % 2 == 1) {
                c = scene.second;
            } else if (style == 4 && (x / cell + y / cell) % 2 == 1) {
                c = scene.second;
            }
            p[0] = c.r;
            p[1] = c.g;
            p[2] = c.b;
        }
}

void paintObject(const SceneObject& object, const Canvas& canvas, Image& out) {
    if (object.r <= 0)
        return;
    const int n = canvas.samples;
    const auto pixelOf = [&](int64_t place) {
        return static_cast<int32_t>(std::clamp<int64_t>(place * canvas.side / kSceneUnit, 0, canvas.side - 1));
    };
    const int32_t left = pixelOf(std::max<int64_t>(0, object.x - object.r)), right = pixelOf(object.x + object.r);
    const int32_t top = pixelOf(std::max<int64_t>(0, object.y - object.r)), bottom = pixelOf(object.y + object.r);
    const auto in = [&](int64_t x, int64_t y) { return inside(object.shape, x - object.x, y - object.y, object.r); };
    const int64_t line = int64_t{object.r} * 18 / 100; // width of the outline
    const auto outline = [&](int64_t x, int64_t y) {
        return object.outlined && !(in(x - line, y) && in(x + line, y) && in(x, y - line) && in(x, y + line));
    };
    // Corners of the pixels first: only those that are neither in nor out need the samples.
    std::vector<char> above(static_cast<size_t>(right - left) + 2), below(above.size());
    const auto corners = [&](int32_t row, std::vector<char>& into) {
        for (int32_t i = left; i <= right + 1; ++i)
            into[static_cast<size_t>(i - left)] = in(canvas.edge(i), canvas.edge(row));
    };
    corners(top, above);
    for (int32_t j = top; j <= bottom; ++j) {
        corners(j + 1, below);
        for (int32_t i = left; i <= right; ++i) {
            const auto at = static_cast<size_t>(i - left);
            const int hits = above[at] + above[at + 1] + below[at] + below[at + 1];
            const int64_t midX = (canvas.edge(i) + canvas.edge(i + 1)) / 2, midY = (canvas.edge(j) + canvas.edge(j + 1)) / 2;
            uint8_t* p = out.rgb.data() + (static_cast<size_t>(j) * static_cast<size_t>(canvas.side) + static_cast<size_t>(i)) * 3;
            const bool middle = in(midX, midY);
            if (hits == 0 && !middle)
                continue;
            if (hits == 4 && middle && !object.outlined) {
                const Rgb c = shaded(object, midY - object.y);
                p[0] = c.r;
                p[1] = c.g;
                p[2] = c.b;
                continue;
            }
            int sum[3] = {};
            for (int sy = 0; sy < n; ++sy)
                for (int sx = 0; sx < n; ++sx) {
                    const int64_t x = canvas.at(int64_t{i} * n + sx), y = canvas.at(int64_t{j} * n + sy);
                    Rgb c{p[0], p[1], p[2]};
                    if (in(x, y)) {
                        c = shaded(object, y - object.y);
                        if (outline(x, y))
                            c = {static_cast<uint8_t>(c.r * 5 / 8), static_cast<uint8_t>(c.g * 5 / 8), static_cast<uint8_t>(c.b * 5 / 8)};
                    }
                    sum[0] += c.r;
                    sum[1] += c.g;
                    sum[2] += c.b;
                }
            for (int k = 0; k < 3; ++k)
                p[k] = static_cast<uint8_t>((sum[k] + n * n / 2) / (n * n));
        }
        std::swap(above, below);
    }
}

/// Mean over radius pixels (in 1/256) to each side, along rows (step 3) or columns.
void blurLines(std::vector<uint8_t>& rgb, int32_t side, int64_t radius, bool rows) {
    const int64_t whole = radius / 256, part = radius % 256;
    const int64_t weight = (2 * whole + 1) * 256 + 2 * part;
    std::vector<int64_t> sums(static_cast<size_t>(side) + 1);
    std::vector<uint8_t> line(static_cast<size_t>(side));
    const size_t step = rows ? 3 : static_cast<size_t>(side) * 3, next = rows ? static_cast<size_t>(side) * 3 : 3;
    for (int32_t l = 0; l < side; ++l)
        for (size_t c = 0; c < 3; ++c) {
            uint8_t* p = rgb.data() + static_cast<size_t>(l) * next + c;
            for (int32_t i = 0; i < side; ++i) {
                line[static_cast<size_t>(i)] = p[static_cast<size_t>(i) * step];
                sums[static_cast<size_t>(i) + 1] = sums[static_cast<size_t>(i)] + line[static_cast<size_t>(i)];
            }
            const auto value = [&](int64_t i) { return int64_t{line[static_cast<size_t>(std::clamp<int64_t>(i, 0, side - 1))]}; };
            for (int64_t i = 0; i < side; ++i) {
                const int64_t from = i - whole, to = i + whole; // the frame's pixels stand for what is beyond it
                int64_t sum = sums[static_cast<size_t>(std::min<int64_t>(to + 1, side))] - sums[static_cast<size_t>(std::max<int64_t>(from, 0))];
                sum += std::max<int64_t>(0, -from) * value(0) + std::max<int64_t>(0, to + 1 - side) * value(side - 1);
                sum = sum * 256 + part * (value(from - 1) + value(to + 1));
                p[static_cast<size_t>(i) * step] = static_cast<uint8_t>((sum + weight / 2) / weight);
            }
        }
}

void addGrain(const Scene& scene, Image& out) {
    for (size_t i = 0; i * 3 < out.rgb.size(); ++i) {
        const uint64_t bits = mix64(scene.seed ^ (i * 0x9e3779b97f4a7c15ULL));
        const auto part = [&](int shift) { // -255..255, peaked at 0
            return static_cast<int>(bits >> shift & 0xFF) - static_cast<int>(bits >> (shift + 8) & 0xFF);
        };
        const int common = part(0);
        for (size_t c = 0; c < 3; ++c)
            out.rgb[i * 3 + c] = byteOf(out.rgb[i * 3 + c] + (2 * common + part(16 + 8 * static_cast<int>(c))) * scene.grain / (3 * 255));
    }
}

} // namespace

SizeRange sizeRange(int size) {
    switch (size) {
    case 1:
        return {pixels(350), pixels(445)};
    case 2:
        return {pixels(475), pixels(595)};
    default:
        return {pixels(630), pixels(920)};
    }
}

const std::vector<Arrangement>& arrangementsFor(int count, int layout) {
    static const std::vector<std::vector<Arrangement>> sorted = [] {
        std::vector<std::vector<Arrangement>> out(5 * 8);
        for (const Arrangement& a : allArrangements()) {
            out[static_cast<size_t>(a.count * 8)].push_back(a);
            if (a.layout)
                out[static_cast<size_t>(a.count * 8 + a.layout)].push_back(a);
        }
        return out;
    }();
    static const std::vector<Arrangement> none;
    return count >= 1 && count <= 4 && layout >= 0 && layout <= 7 ? sorted[static_cast<size_t>(count * 8 + layout)] : none;
}

Scene drawScene(const Caption& caption, uint64_t seed, double defects) {
    SceneRandom random(seed, 0x5CE);
    Scene scene;
    scene.seed = mix64(seed);
    Caption& c = scene.truth;
    c = Caption::of(caption.slots());
    if (c.colour == 0)
        do
            c.colour = 1 + random.below(slotSize(Slot::Colour) - 1);
        while (c.background != 0 && !standsOut(c.colour, c.background));
    if (c.shape == 0)
        c.shape = 1 + random.below(slotSize(Slot::Shape) - 1);
    if (c.count == 0) {
        std::vector<int> possible;
        for (int n = 2; n < slotSize(Slot::Count); ++n)
            if (isDrawable({n, c.size, 0, 0, c.layout, 0, 0}))
                possible.push_back(n);
        c.count = possible.empty() ? 2 : possible[static_cast<size_t>(random.below(static_cast<int>(possible.size())))];
    }
    if (c.background == 0)
        do
            c.background = 1 + random.below(slotSize(Slot::Background) - 1);
        while (!standsOut(c.colour, c.background));
    if (c.style == 0) {
        const int draw = random.below(100);
        c.style = draw < 55 ? 1 : draw < 75 ? 2 : draw < 87 ? 3 : 4;
    }

    // Background.
    const Rgb ground = tinted(backgroundColour(c.background), random, 14, 8, 3);
    const int apart = c.style == 1 ? 0 : random.between(10, 16);
    scene.background = shifted(ground, apart, 0);
    scene.second = shifted(ground, -apart, 0);
    if (random.chance(50))
        std::swap(scene.background, scene.second);
    scene.pattern = random.below(3);
    scene.cell = random.between(3, 5);

    // Objects: one tint, size and finish for all of them, as in one drawing.
    const Arrangement& places = choosePlaces(c, random);
    c.layout = places.layout;
    const SizeRange range = sizeRange(c.size);
    const int32_t most = std::min(range.high, places.most);
    const int32_t r = most <= range.low ? most : random.between(range.low, most);
    int32_t movesX = 0, movesY = 0;
    freedom(places, r, movesX, movesY);
    const Rgb fill = tinted(objectColour(c.colour), random, 12, 9, 6);
    const int shading = random.chance(30) ? random.between(-48, 48) : 0;
    const bool outlined = random.chance(25) && r >= pixels(500) && c.colour != 10 && c.shape != 4;
    for (int i = 0; i < places.count; ++i) {
        SceneObject object;
        object.shape = c.shape;
        object.colour = c.colour;
        object.x = places.x[i] + random.between(-movesX, movesX);
        object.y = places.y[i] + random.between(-movesY, movesY);
        object.r = r - r * random.below(8) / 100;
        object.fill = fill;
        object.shading = shading;
        object.outlined = outlined;
        scene.objects.push_back(object);
    }
    const int32_t soft = random.below(1000);
    scene.softness = static_cast<int32_t>(int64_t{pixels(70)} * soft * soft / 1000000);
    scene.grain = random.chance(25) ? random.between(4, 14) : 0;

    // Its own numbers: the same seed without defects is the same picture but for the defect.
    SceneRandom fault(seed, 0xDEF);
    if (unitUniform(fault.next()) < defects)
        applyDefect(scene, fault);
    return scene;
}

Image renderScene(const Scene& scene, int32_t side) {
    side = std::clamp(side, 1, 4096);
    const Canvas canvas{side, side <= 64 ? 4 : 3};
    Image out = blankImage(side, side);
    paintBackground(scene, canvas, out);
    for (const SceneObject& object : scene.objects)
        paintObject(object, canvas, out);
    const int64_t radius = int64_t{scene.softness} * side * 256 / kSceneUnit;
    if (radius > 0) {
        blurLines(out.rgb, side, radius, true);
        blurLines(out.rgb, side, radius, false);
    }
    if (scene.grain > 0)
        addGrain(scene, out);
    return out;
}

} // namespace pl::rules
