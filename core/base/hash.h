// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace pl {

/// Incremental SHA-256 (FIPS 180-4).
class Sha256 {
public:
    Sha256();
    void update(std::string_view bytes);
    /// 64 lower-case hex digits; the object is spent afterwards.
    std::string hexDigest();

private:
    void block(const unsigned char* data);
    std::array<uint32_t, 8> m_state;
    std::array<unsigned char, 64> m_buffer;
    uint64_t m_size = 0;
};

std::string sha256Hex(std::string_view bytes);
/// Streams the file; fails with Io or NotFound.
Result<std::string> sha256File(const std::string& path);

/// Random UUID (version 4, lower case) from the operating system's generator.
std::string newUuid();

/// SplitMix64 and a counter-based stream: the same (seed, a, b) gives the same value on every machine. For splits, sides,
/// simulated people and anything else that must be reproducible without keeping a generator's state.
uint64_t mix64(uint64_t value);
uint64_t hashSeed(uint64_t seed, std::string_view key);
/// Uniform in [0, 1) from the 53 high bits.
double unitUniform(uint64_t bits);

/// Milliseconds since the epoch (wall clock), and nanoseconds of the monotonic clock.
int64_t nowMs();
int64_t monotonicNs();
/// "2026-11-21 14:03:59" in local time.
std::string formatTime(int64_t ms);

} // namespace pl
