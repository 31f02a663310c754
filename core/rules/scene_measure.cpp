// SPDX-License-Identifier: Apache-2.0
// What a rule reads off a picture: a model of the background from the frame, flood fill of what differs from it, nearest named
// colour, nearest drawn silhouette.
#include <algorithm>
#include <cmath>

#include "core/rules/scene.h"
#include "core/rules/scene_random.h"

namespace pl::rules {

namespace {

constexpr int kSide = 32;
constexpr int kPixels = kSide * kSide;
constexpr int kGrid = 11;             ///< of a silhouette, per axis
constexpr double kGridStep = 0.38;    ///< in standard deviations of the silhouette
constexpr double kLeastArea = 0.005 * kPixels;
constexpr size_t kMostObjects = 64;

using Colour = std::array<double, 3>;
using Silhouette = std::array<float, kGrid * kGrid>;

double squaredDistance(const Colour& a, const Colour& b) {
    double sum = 0;
    for (size_t c = 0; c < 3; ++c)
        sum += (a[c] - b[c]) * (a[c] - b[c]);
    return sum;
}

double luma(const Colour& c) { return (0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2]) / 255.0; }

Colour colourOf(Rgb c) { return {double(c.r), double(c.g), double(c.b)}; }

double quantile(std::vector<double>& values, double share) {
    if (values.empty())
        return 0;
    const auto at = values.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), at, values.end());
    return *at;
}

/// The picture at 32 x 32 and the background as a plane per channel, fitted to the frame.
struct Picture {
    std::array<Colour, kPixels> pixel;
    std::array<Colour, 3> plane{}; ///< at the middle, slope across, slope down
    double spread = 0;             ///< median distance of the frame from the plane
    std::array<double, kPixels> difference{};

    explicit Picture(const Image& image) {
        for (size_t i = 0; i < kPixels; ++i)
            pixel[i] = {double(image.rgb[3 * i]), double(image.rgb[3 * i + 1]), double(image.rgb[3 * i + 2])};
        fit();
        for (size_t i = 0; i < kPixels; ++i)
            difference[i] = std::sqrt(squaredDistance(pixel[i], background(i)));
    }

    static double across(size_t i) { return static_cast<double>(i % kSide) - (kSide - 1) / 2.0; }
    static double down(size_t i) { return static_cast<double>(i / kSide) - (kSide - 1) / 2.0; }
    Colour background(size_t i) const {
        Colour out;
        for (size_t c = 0; c < 3; ++c)
            out[c] = plane[0][c] + across(i) * plane[1][c] + down(i) * plane[2][c];
        return out;
    }

private:
    void fit() {
        std::vector<size_t> frame;
        for (size_t i = 0; i < kPixels; ++i)
            if (i % kSide == 0 || i % kSide == kSide - 1 || i / kSide == 0 || i / kSide == kSide - 1)
                frame.push_back(i);
        Colour middle;
        for (size_t c = 0; c < 3; ++c) {
            std::vector<double> values;
            for (const size_t i : frame)
                values.push_back(pixel[i][c]);
            middle[c] = quantile(values, 0.5);
        }
        // An object may touch the frame: what is far from most of it does not count, as long as the half is left.
        std::vector<double> far;
        for (const size_t i : frame)
            far.push_back(squaredDistance(pixel[i], middle));
        auto sorted = far;
        const double limit = std::max(70.0 * 70.0, quantile(sorted, 0.5));
        std::vector<size_t> kept;
        for (size_t k = 0; k < frame.size(); ++k)
            if (far[k] <= limit)
                kept.push_back(frame[k]);
        // Least squares; the sums of products keep the three unknowns apart (Cramer's rule).
        double n = 0, u = 0, v = 0, uu = 0, uv = 0, vv = 0;
        std::array<Colour, 3> right{};
        for (const size_t i : kept) {
            const double a = across(i), d = down(i);
            n += 1, u += a, v += d, uu += a * a, uv += a * d, vv += d * d;
            for (size_t c = 0; c < 3; ++c) {
                right[0][c] += pixel[i][c];
                right[1][c] += a * pixel[i][c];
                right[2][c] += d * pixel[i][c];
            }
        }
        const double det = n * (uu * vv - uv * uv) - u * (u * vv - uv * v) + v * (u * uv - uu * v);
        for (size_t c = 0; c < 3; ++c) {
            const double x = right[0][c], y = right[1][c], z = right[2][c];
            if (std::abs(det) < 1e-6 * n * uu * vv + 1e-9) {
                plane[0][c] = x / n;
                continue;
            }
            plane[0][c] = (x * (uu * vv - uv * uv) - u * (y * vv - uv * z) + v * (y * uv - uu * z)) / det;
            plane[1][c] = (n * (y * vv - uv * z) - x * (u * vv - uv * v) + v * (u * z - y * v)) / det;
            plane[2][c] = (n * (uu * z - y * uv) - u * (u * z - y * v) + x * (u * uv - uu * v)) / det;
        }
        std::vector<double> rest;
        for (const size_t i : kept)
            rest.push_back(std::sqrt(squaredDistance(pixel[i], background(i))));
        spread = quantile(rest, 0.5);
    }
};

/// Flood fill over the pixels `wanted` accepts; calls `done` with each connected set.
template <class Wanted, class Done> void components(Wanted wanted, Done done) {
    std::array<bool, kPixels> seen{};
    std::vector<size_t> set;
    for (size_t start = 0; start < kPixels; ++start) {
        if (seen[start] || !wanted(start))
            continue;
        set.assign(1, start);
        seen[start] = true;
        for (size_t k = 0; k < set.size(); ++k) {
            const size_t i = set[k], x = i % kSide, y = i / kSide;
            const auto visit = [&](bool exists, size_t j) {
                if (exists && !seen[j] && wanted(j)) {
                    seen[j] = true;
                    set.push_back(j);
                }
            };
            visit(x > 0, i - 1);
            visit(x + 1 < kSide, i + 1);
            visit(y > 0, i - kSide);
            visit(y + 1 < kSide, i + kSide);
        }
        done(set);
    }
}

struct Blob {
    std::vector<size_t> core;            ///< pixels more object than background
    Colour colour{};
    std::vector<std::pair<size_t, double>> coverage; ///< with the soft edge, 0..1
    double area = 0, x = 0, y = 0, deviation = 0;    ///< pixels
};

/// The colour of an object: the median of its inner pixels, where the edge and an outline have no say.
Colour inkOf(const Picture& picture, const std::vector<size_t>& core, double strong) {
    std::array<bool, kPixels> in{};
    for (const size_t i : core)
        in[i] = true;
    std::vector<size_t> inner;
    for (const size_t i : core) {
        const size_t x = i % kSide, y = i / kSide;
        if (x > 0 && x + 1 < kSide && y > 0 && y + 1 < kSide && in[i - 1] && in[i + 1] && in[i - kSide] && in[i + kSide])
            inner.push_back(i);
    }
    if (inner.size() < 4) {
        inner.clear();
        for (const size_t i : core)
            if (picture.difference[i] >= 0.8 * strong)
                inner.push_back(i);
    }
    if (inner.empty())
        inner = core;
    Colour out;
    std::vector<double> values(inner.size());
    for (size_t c = 0; c < 3; ++c) {
        for (size_t k = 0; k < inner.size(); ++k)
            values[k] = picture.pixel[inner[k]][c];
        out[c] = quantile(values, 0.5);
    }
    return out;
}

std::vector<Blob> blobsOf(const Picture& picture) {
    const double least = std::max(45.0, 3.0 * picture.spread);
    std::vector<Blob> blobs;
    components([&](size_t i) { return picture.difference[i] > least; }, [&](const std::vector<size_t>& set) {
        // How strong this object is: then its edge is where it is half as strong, whatever the contrast.
        std::vector<double> values;
        for (const size_t i : set)
            values.push_back(picture.difference[i]);
        const double strong = quantile(values, 0.8);
        std::array<bool, kPixels> in{};
        for (const size_t i : set)
            in[i] = picture.difference[i] >= 0.5 * strong;
        components([&](size_t i) { return in[i]; }, [&](const std::vector<size_t>& core) {
            if (static_cast<double>(core.size()) < 0.6 * kLeastArea)
                return;
            Blob blob;
            blob.core = core;
            blob.colour = inkOf(picture, core, strong);
            blobs.push_back(std::move(blob));
        });
    });
    std::stable_sort(blobs.begin(), blobs.end(), [](const Blob& a, const Blob& b) { return a.core.size() > b.core.size(); });
    if (blobs.size() > kMostObjects)
        blobs.resize(kMostObjects);
    return blobs;
}

/// The soft edge: up to two pixels around the core, each given to the first blob that reaches it.
void cover(const Picture& picture, std::vector<Blob>& blobs) {
    std::array<int, kPixels> owner{};
    std::vector<std::vector<size_t>> reach(blobs.size());
    for (size_t b = 0; b < blobs.size(); ++b) {
        for (const size_t i : blobs[b].core)
            owner[i] = static_cast<int>(b) + 1;
        reach[b] = blobs[b].core;
    }
    for (int round = 0; round < 2; ++round)
        for (size_t b = 0; b < blobs.size(); ++b) {
            const size_t n = reach[b].size();
            for (size_t k = 0; k < n; ++k) {
                const size_t i = reach[b][k], x = i % kSide, y = i / kSide;
                const auto take = [&](bool exists, size_t j) {
                    if (exists && owner[j] == 0) {
                        owner[j] = static_cast<int>(b) + 1;
                        reach[b].push_back(j);
                    }
                };
                take(x > 0, i - 1);
                take(x + 1 < kSide, i + 1);
                take(y > 0, i - kSide);
                take(y + 1 < kSide, i + kSide);
            }
        }
    for (size_t b = 0; b < blobs.size(); ++b) {
        Blob& blob = blobs[b];
        double xx = 0;
        for (const size_t i : reach[b]) {
            const Colour ground = picture.background(i);
            double along = 0, whole = 0;
            for (size_t c = 0; c < 3; ++c) {
                along += (picture.pixel[i][c] - ground[c]) * (blob.colour[c] - ground[c]);
                whole += (blob.colour[c] - ground[c]) * (blob.colour[c] - ground[c]);
            }
            const double part = whole > 0 ? std::clamp(along / whole, 0.0, 1.0) : 0.0;
            if (part < 0.12)
                continue;
            const auto x = static_cast<double>(i % kSide), y = static_cast<double>(i / kSide);
            blob.coverage.emplace_back(i, part);
            blob.area += part;
            blob.x += part * x;
            blob.y += part * y;
            xx += part * (x * x + y * y);
        }
        if (blob.area > 0) {
            blob.x /= blob.area;
            blob.y /= blob.area;
            blob.deviation = std::sqrt(std::max(0.0, xx / blob.area - blob.x * blob.x - blob.y * blob.y));
        }
    }
}

/// The blob on a grid around its centre, scaled by its spread: what is left is the shape.
Silhouette silhouetteOf(const Blob& blob) {
    std::array<double, (kSide + 2) * (kSide + 2)> map{}; // a frame of nothing around it
    for (const auto& [i, part] : blob.coverage)
        map[(i / kSide + 1) * (kSide + 2) + i % kSide + 1] = part;
    Silhouette out{};
    const double step = std::max(0.2, kGridStep * blob.deviation);
    for (int gy = 0; gy < kGrid; ++gy)
        for (int gx = 0; gx < kGrid; ++gx) {
            const double x = blob.x + 1 + (gx - kGrid / 2) * step, y = blob.y + 1 + (gy - kGrid / 2) * step;
            if (x < 0 || y < 0 || x >= kSide + 1 || y >= kSide + 1)
                continue;
            const auto ix = static_cast<size_t>(x), iy = static_cast<size_t>(y);
            const double fx = x - static_cast<double>(ix), fy = y - static_cast<double>(iy);
            const double* m = map.data() + iy * (kSide + 2) + ix;
            out[static_cast<size_t>(gy * kGrid + gx)] = static_cast<float>(
                (1 - fy) * ((1 - fx) * m[0] + fx * m[1]) + fy * ((1 - fx) * m[kSide + 2] + fx * m[kSide + 3]));
        }
    return out;
}

struct Drawn {
    int shape;
    Silhouette mean;
};

/// Each shape drawn at several sizes and two softnesses, every one the mean over places between the pixels.
const std::vector<Drawn>& drawnSilhouettes() {
    static const std::vector<Drawn> all = [] {
        std::vector<Drawn> out;
        constexpr int kPlaces = 9;
        const int32_t pixel = kSceneUnit / kSide;
        for (int shape = 1; shape < slotSize(Slot::Shape); ++shape)
            for (const int tenths : {33, 37, 41, 46, 52, 60, 70, 85})
                for (const int soft : {0, 50}) {
                    Drawn drawn{shape, {}};
                    for (int place = 0; place < kPlaces; ++place) {
                        Scene scene;
                        scene.background = {255, 255, 255};
                        scene.truth.style = 1;
                        scene.softness = pixel * soft / 100;
                        SceneObject object;
                        object.shape = shape;
                        object.x = kSceneUnit / 2 + pixel * (place % 3) / 3;
                        object.y = kSceneUnit / 2 + pixel * (place / 3) / 3;
                        object.r = pixel * tenths / 10;
                        scene.objects.push_back(object);
                        const Picture picture(renderScene(scene, kSide));
                        auto blobs = blobsOf(picture);
                        if (blobs.empty())
                            continue;
                        cover(picture, blobs);
                        const Silhouette one = silhouetteOf(blobs.front());
                        for (size_t i = 0; i < one.size(); ++i)
                            drawn.mean[i] += one[i] / kPlaces;
                    }
                    out.push_back(drawn);
                }
        return out;
    }();
    return all;
}

int shapeOf(const Blob& blob) {
    const Silhouette own = silhouetteOf(blob);
    int best = 0;
    float least = 1e30F;
    for (const Drawn& drawn : drawnSilhouettes()) {
        float sum = 0;
        for (size_t i = 0; i < own.size(); ++i)
            sum += (own[i] - drawn.mean[i]) * (own[i] - drawn.mean[i]);
        if (sum < least) {
            least = sum;
            best = drawn.shape;
        }
    }
    return best;
}

template <class Named> int nearest(const Colour& c, int size, Named named) {
    int best = 1;
    for (int id = 2; id < size; ++id)
        if (squaredDistance(c, colourOf(named(id))) < squaredDistance(c, colourOf(named(best))))
            best = id;
    return best;
}

/// How steep edges are: a step within one pixel adds its square as much as itself, a slope over many much less.
double steepness(const std::vector<Blob>& blobs) {
    std::array<double, kPixels> map{};
    for (const Blob& blob : blobs)
        for (const auto& [i, part] : blob.coverage)
            map[i] = part;
    double squares = 0, sizes = 0;
    for (size_t i = 0; i < kPixels; ++i) {
        const auto add = [&](bool exists, size_t j) {
            if (exists) {
                const double step = std::abs(map[i] - map[j]);
                squares += step * step;
                sizes += step;
            }
        };
        add(i % kSide + 1 < kSide, i + 1);
        add(i / kSide + 1 < kSide, i + kSide);
    }
    return sizes > 0 ? squares / sizes : 0;
}

/// Grain of the background: second differences, of which patterns disturb some; so a low quantile of them.
double grainOf(const Picture& picture, const std::vector<Blob>& blobs) {
    std::array<bool, kPixels> taken{};
    for (const Blob& blob : blobs)
        for (const auto& [i, part] : blob.coverage)
            taken[i] = true;
    std::vector<double> steps;
    for (size_t i = 0; i < kPixels; ++i)
        for (const size_t next : {size_t{1}, size_t{kSide}}) {
            const size_t place = next == 1 ? i % kSide : i / kSide;
            if (place == 0 || place + 1 >= kSide || taken[i] || taken[i - next] || taken[i + next])
                continue;
            steps.push_back(std::abs(luma(picture.pixel[i - next]) - 2 * luma(picture.pixel[i]) + luma(picture.pixel[i + next])));
        }
    constexpr double kFifth = 0.2533; // of |z| for a normal z; a second difference has sqrt(6) times the deviation
    return std::min(1.0, quantile(steps, 0.2) / (kFifth * 2.449));
}

} // namespace

SceneMeasure measureScene(const Image& image) {
    SceneMeasure out;
    const Image small = resized(image, kSide, kSide);
    if (small.rgb.empty())
        return out;
    const Picture picture(small);
    auto blobs = blobsOf(picture);
    cover(picture, blobs);
    blobs.erase(std::remove_if(blobs.begin(), blobs.end(), [](const Blob& b) { return b.area < kLeastArea; }), blobs.end());
    std::stable_sort(blobs.begin(), blobs.end(), [](const Blob& a, const Blob& b) { return a.area > b.area; });

    const Colour ground = picture.plane[0];
    out.background = nearest(ground, slotSize(Slot::Background), backgroundColour);
    out.backgroundLightness = std::clamp(luma(ground), 0.0, 1.0);
    for (const Colour& c : picture.pixel) {
        out.warmth += (c[0] - c[2]) / 255.0 / kPixels;
        out.brightness += luma(c) / kPixels;
    }
    out.noise = grainOf(picture, blobs);
    std::array<double, 16> colours{}, shapes{};
    double x = 0, y = 0, area = 0;
    for (const Blob& blob : blobs) {
        SceneMeasure::Object object;
        object.x = (blob.x + 0.5) / kSide;
        object.y = (blob.y + 0.5) / kSide;
        object.area = blob.area / kPixels;
        object.colour = nearest(blob.colour, slotSize(Slot::Colour), objectColour);
        object.shape = shapeOf(blob);
        colours[static_cast<size_t>(object.colour)] += blob.area;
        shapes[static_cast<size_t>(object.shape)] += blob.area;
        x += blob.area * object.x;
        y += blob.area * object.y;
        area += blob.area;
        out.objects.push_back(object);
    }
    out.count = static_cast<int>(blobs.size());
    if (out.count > 0) {
        out.colour = static_cast<int>(std::max_element(colours.begin(), colours.end()) - colours.begin());
        out.shape = static_cast<int>(std::max_element(shapes.begin(), shapes.end()) - shapes.begin());
        out.foreground = std::min(1.0, area / kPixels);
        out.meanArea = out.foreground / out.count;
        out.offCentre = std::hypot(x / area - 0.5, y / area - 0.5);
        out.edge = steepness(blobs);
    }
    out.crispness = out.edge * std::max(0.0, 1.0 - 10.0 * out.noise);
    return out;
}

} // namespace pl::rules
