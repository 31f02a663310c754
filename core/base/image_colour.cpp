// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <memory>

#include <lcms2.h>

#include "core/base/image_formats.h"

namespace pl::formats {

namespace {

/// A gamma this near to 1/2.2 is what programs write that mean sRGB.
constexpr double kNear = 0.05;

struct Close {
    void operator()(void* profile) const { cmsCloseProfile(profile); }
};
struct Delete {
    void operator()(void* transform) const { cmsDeleteTransform(transform); }
};
using Profile = std::unique_ptr<void, Close>;
using Transform = std::unique_ptr<void, Delete>;

struct Curve {
    cmsToneCurve* curve;
    explicit Curve(cmsToneCurve* made) : curve(made) {}
    Curve(const Curve&) = delete;
    Curve& operator=(const Curve&) = delete;
    ~Curve() {
        if (curve)
            cmsFreeToneCurve(curve);
    }
};

/// What a gAMA with its cHRM means.
Profile profileOf(const Primaries& p) {
    constexpr std::array<double, 5> kSrgbCurve{2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045};
    const bool usual = std::abs(p.gamma * 2.2 - 1) <= kNear;
    const Curve curve(usual ? cmsBuildParametricToneCurve(nullptr, 4, kSrgbCurve.data()) : cmsBuildGamma(nullptr, 1 / p.gamma));
    if (!curve.curve)
        return nullptr;
    cmsCIExyY white{0.3127, 0.3290, 1};
    cmsCIExyYTRIPLE primaries{{0.64, 0.33, 1}, {0.30, 0.60, 1}, {0.15, 0.06, 1}};
    if (p.known) {
        white = {p.x[0], p.y[0], 1};
        primaries = {{p.x[1], p.y[1], 1}, {p.x[2], p.y[2], 1}, {p.x[3], p.y[3], 1}};
    }
    cmsToneCurve* const all[3] = {curve.curve, curve.curve, curve.curve};
    return Profile(cmsCreateRGBProfile(&white, &primaries, all));
}

/// Is it one that changes no colour by more than a level? Then the samples stay as they are, exactly.
bool changesNothing(cmsHTRANSFORM transform) {
    std::array<uint8_t, 4 * 729> from{}, to{};
    size_t at = 0;
    for (int r = 0; r < 9; ++r)
        for (int g = 0; g < 9; ++g)
            for (int b = 0; b < 9; ++b, at += 4) {
                from[at] = static_cast<uint8_t>(r * 255 / 8);
                from[at + 1] = static_cast<uint8_t>(g * 255 / 8);
                from[at + 2] = static_cast<uint8_t>(b * 255 / 8);
            }
    to = from;
    cmsDoTransform(transform, from.data(), to.data(), 729);
    for (size_t i = 0; i < from.size(); ++i)
        if (std::abs(from[i] - to[i]) > 1)
            return false;
    return true;
}

/// As Adobe's programs write them: 255 is no ink.
void inksToColour(Picture& picture) {
    auto& p = picture.rgba;
    for (size_t i = 0; i < p.size(); i += 4) {
        const uint32_t black = p[i + 3];
        for (size_t c = 0; c < 3; ++c)
            p[i + c] = static_cast<uint8_t>((p[i + c] * black + 127) / 255);
        p[i + 3] = 255;
    }
}

struct Tables {
    std::array<uint16_t, 256> light;   ///< of an sRGB sample, 0..65535
    std::array<uint8_t, 65536> sample; ///< of light
    Tables() {
        for (size_t i = 0; i < light.size(); ++i) {
            const double v = static_cast<double>(i) / 255;
            light[i] = static_cast<uint16_t>(std::lround(65535 * (v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4))));
        }
        for (size_t i = 0; i < sample.size(); ++i) {
            const double l = static_cast<double>(i) / 65535;
            sample[i] = static_cast<uint8_t>(std::lround(255 * (l <= 0.0031308 ? 12.92 * l : 1.055 * std::pow(l, 1 / 2.4) - 0.055)));
        }
    }
};

} // namespace

void toSrgb(Picture& picture, const Facts& facts) {
    const std::string unpacked = facts.squeezedProfile.empty() ? std::string() : unpackedProfile(facts.squeezedProfile);
    const std::string& icc = unpacked.empty() ? facts.icc : unpacked;
    Profile from;
    if (!icc.empty())
        from.reset(cmsOpenProfileFromMem(icc.data(), static_cast<cmsUInt32Number>(icc.size())));
    else if (facts.primaries && facts.channels != Channels::Ink)
        from = profileOf(*facts.primaries);
    cmsUInt32Number layout = 0; // of the samples, 0: the profile is not for them
    bool grey = false;
    if (from)
        switch (cmsGetColorSpace(from.get())) {
        case cmsSigRgbData: layout = facts.channels == Channels::Ink ? 0 : TYPE_RGBA_8; break;
        case cmsSigCmykData: layout = facts.channels == Channels::Ink ? TYPE_CMYK_8_REV : 0; break;
        case cmsSigGrayData:
            grey = facts.channels == Channels::Grey;
            layout = grey ? TYPE_GRAY_8 : 0;
            break;
        default: break;
        }
    Transform transform;
    if (layout) {
        const Profile to(cmsCreate_sRGBProfile());
        // Not perceptual: what that makes of black differs between versions of Little CMS.
        transform.reset(cmsCreateTransform(from.get(), layout, to.get(), grey ? TYPE_RGB_8 : TYPE_RGBA_8,
                                           INTENT_RELATIVE_COLORIMETRIC, cmsFLAGS_BLACKPOINTCOMPENSATION));
    }
    if (!transform) {
        if (facts.channels == Channels::Ink)
            inksToColour(picture);
        return;
    }
    if (layout == TYPE_RGBA_8 && changesNothing(transform.get()))
        return;
    const size_t width = static_cast<size_t>(picture.width);
    if (grey) { // 256 colours, whatever the size
        std::array<uint8_t, 256> samples;
        std::array<uint8_t, 768> colours;
        for (size_t i = 0; i < samples.size(); ++i)
            samples[i] = static_cast<uint8_t>(i);
        cmsDoTransform(transform.get(), samples.data(), colours.data(), 256);
        for (size_t i = 0; i < picture.rgba.size(); i += 4)
            std::copy_n(&colours[size_t{3} * picture.rgba[i]], 3, &picture.rgba[i]);
        return;
    }
    // In place: a pixel has as many bytes before as after, and alpha is left as it is.
    for (size_t at = 0; at < picture.rgba.size(); at += 4 * width)
        cmsDoTransform(transform.get(), &picture.rgba[at], &picture.rgba[at], static_cast<cmsUInt32Number>(width));
    if (facts.channels == Channels::Ink)
        for (size_t i = 3; i < picture.rgba.size(); i += 4)
            picture.rgba[i] = 255;
}

Image overWhite(Picture picture) {
    static const Tables tables;
    Image out;
    out.width = picture.width;
    out.height = picture.height;
    auto& p = picture.rgba;
    size_t to = 0;
    for (size_t i = 0; i < p.size(); i += 4, to += 3) {
        const uint32_t alpha = p[i + 3];
        for (size_t c = 0; c < 3; ++c) { // to <= i: what is read was not yet written
            const uint8_t sample = p[i + c];
            p[to + c] = alpha == 255 ? sample
                                     : tables.sample[(tables.light[sample] * alpha + 65535U * (255 - alpha) + 127) / 255];
        }
    }
    p.resize(to);
    out.rgb = std::move(p);
    return out;
}

} // namespace pl::formats
