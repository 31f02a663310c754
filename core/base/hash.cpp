// SPDX-License-Identifier: Apache-2.0
#include "core/base/hash.h"

#include <chrono>
#include <cstring>
#include <random>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "core/base/os/files.h"

namespace pl {
namespace {

constexpr std::array<uint32_t, 64> kRound = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

constexpr uint32_t rotr(uint32_t x, int n) {
    return (x >> n) | (x << (32 - n));
}

} // namespace

Sha256::Sha256()
    : m_state{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19},
      m_buffer{} {}

void Sha256::block(const unsigned char* data) {
    uint32_t w[64];
    for (int i = 0; i < 16; ++i)
        w[i] = uint32_t{data[4 * i]} << 24 | uint32_t{data[4 * i + 1]} << 16 | uint32_t{data[4 * i + 2]} << 8 |
               uint32_t{data[4 * i + 3]};
    for (int i = 16; i < 64; ++i) {
        const uint32_t s0 = rotr(w[i - 15], 7) ^ rotr(w[i - 15], 18) ^ (w[i - 15] >> 3);
        const uint32_t s1 = rotr(w[i - 2], 17) ^ rotr(w[i - 2], 19) ^ (w[i - 2] >> 10);
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    auto [a, b, c, d, e, f, g, h] = m_state;
    for (size_t i = 0; i < 64; ++i) {
        const uint32_t s1 = rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25);
        const uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + kRound[i] + w[i];
        const uint32_t s0 = rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22);
        const uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
        h = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + t2;
    }
    const uint32_t add[8] = {a, b, c, d, e, f, g, h};
    for (size_t i = 0; i < 8; ++i)
        m_state[i] += add[i];
}

void Sha256::update(std::string_view bytes) {
    const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
    size_t left = bytes.size();
    size_t used = m_size % 64;
    m_size += left;
    if (used > 0) {
        const size_t take = std::min(left, 64 - used);
        std::memcpy(m_buffer.data() + used, data, take);
        data += take;
        left -= take;
        if (used + take < 64)
            return;
        block(m_buffer.data());
    }
    for (; left >= 64; data += 64, left -= 64)
        block(data);
    if (left > 0)
        std::memcpy(m_buffer.data(), data, left);
}

std::string Sha256::hexDigest() {
    const uint64_t bits = m_size * 8;
    unsigned char tail[72] = {0x80};
    const size_t used = m_size % 64;
    const size_t pad = (used < 56 ? 56 : 120) - used;
    for (int i = 0; i < 8; ++i)
        tail[pad + static_cast<size_t>(i)] = static_cast<unsigned char>(bits >> (56 - 8 * i));
    update({reinterpret_cast<const char*>(tail), pad + 8});
    std::string hex;
    hex.reserve(64);
    for (const uint32_t word : m_state)
        hex += fmt::format("{:08x}", word);
    return hex;
}

std::string sha256Hex(std::string_view bytes) {
    Sha256 hash;
    hash.update(bytes);
    return hash.hexDigest();
}

Result<std::string> sha256File(const std::string& path) {
    Sha256 hash;
    uint64_t offset = 0;
    while (true) {
        PL_TRY(const std::string part, os::readFrom(path, offset, size_t{1} << 20));
        if (part.empty())
            break;
        hash.update(part);
        offset += part.size();
    }
    return hash.hexDigest();
}

std::string newUuid() {
    // libstdc++'s device asks the kernel (or the processor's own generator).
    static thread_local std::random_device device;
    std::array<unsigned char, 16> b{};
    for (size_t i = 0; i < 16; i += 4) {
        const uint32_t word = device();
        std::memcpy(b.data() + i, &word, 4);
    }
    b[6] = static_cast<unsigned char>((b[6] & 0x0f) | 0x40);
    b[8] = static_cast<unsigned char>((b[8] & 0x3f) | 0x80);
    std::string text;
    for (size_t i = 0; i < 16; ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            text += '-';
        text += fmt::format("{:02x}", b[i]);
    }
    return text;
}

uint64_t mix64(uint64_t value) {
    value += 0x9e3779b97f4a7c15ULL;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
    return value ^ (value >> 31);
}

uint64_t hashSeed(uint64_t seed, std::string_view key) {
    uint64_t hash = 0xcbf29ce484222325ULL; // FNV-1a, then mixed with the seed
    for (const char c : key) {
        hash ^= static_cast<unsigned char>(c);
        hash *= 0x100000001b3ULL;
    }
    return mix64(mix64(seed) ^ mix64(hash));
}

double unitUniform(uint64_t bits) {
    return static_cast<double>(bits >> 11) * 0x1.0p-53;
}

int64_t nowMs() {
    using namespace std::chrono;
    return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

int64_t monotonicNs() {
    using namespace std::chrono;
    return duration_cast<nanoseconds>(steady_clock::now().time_since_epoch()).count();
}

std::string formatTime(int64_t ms) {
    const auto seconds = static_cast<std::time_t>(ms >= 0 ? ms / 1000 : -((-ms + 999) / 1000));
    try {
        return fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::localtime(seconds));
    } catch (const std::exception&) {
        return fmt::format("{} ms", ms);
    }
}

} // namespace pl
