// SPDX-License-Identifier: Apache-2.0
// fuzz_X [--seconds N] [--seed N] [--write FOLDER] [FILE...]: the target over its seeds, every seed cut at many places, and
// mutations of them for N seconds; or over the files named. --write puts the seeds into a folder, as libFuzzer's corpus.
// The input at work when the process dies is left in fuzz-crash beside the working directory's other files.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <random>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

namespace {

const char* current = nullptr;
size_t currentSize = 0;

void keepInput() {
    const int file = ::open("fuzz-crash", O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (file >= 0 && current && ::write(file, current, currentSize) >= 0)
        ::close(file);
    static const char text[] = "the input is kept in fuzz-crash\n";
    (void)!::write(2, text, sizeof text - 1);
}

void onSignal(int number) {
    keepInput();
    ::signal(number, SIG_DFL);
    ::raise(number);
}

uint64_t count = 0;
double slowest = 0;

void one(const std::string& input) {
    // A copy of exactly this size, so that a sanitizer sees a read behind its end.
    std::vector<uint8_t> bytes(input.begin(), input.end());
    current = reinterpret_cast<const char*>(bytes.data());
    currentSize = bytes.size();
    const auto begin = std::chrono::steady_clock::now();
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    slowest = std::max(slowest, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    ++count;
    current = nullptr;
}

std::string mutated(std::string text, const std::vector<std::string>& seeds, std::mt19937_64& random) {
    static const char* const words[] = {"null", "-1", "1e999", "18446744073709551615", "9223372036854775808", "\"\"", "{}", "[]",
                                        "\\u0000", "\\ud800", "\xff", "\xf0\x9f\x99\x82", "\n", ",", ":", "true", "0.1"};
    const uint64_t times = 1 + random() % 6;
    for (uint64_t i = 0; i < times; ++i) {
        if (text.empty())
            text = seeds[random() % seeds.size()];
        if (text.empty())
            return text;
        const size_t at = random() % text.size(), span = 1 + random() % std::min<size_t>(text.size() - at, 64);
        switch (random() % 9) {
        case 0: text[at] = static_cast<char>(text[at] ^ (1 << (random() % 8))); break;
        case 1: text[at] = static_cast<char>(random()); break;
        case 2: text.erase(at, span); break;
        case 3: text.insert(at, text.substr(at, span)); break;
        case 4: text.insert(at, words[random() % std::size(words)]); break;
        case 5: text.replace(at, span, words[random() % std::size(words)]); break;
        case 6: text.resize(at); break;
        case 7: { // the head of one, the tail of another
            const std::string& other = seeds[random() % seeds.size()];
            text = text.substr(0, at) + (other.empty() ? "" : other.substr(random() % other.size()));
            break;
        }
        default: text.insert(at, std::string(random() % 300, text[at])); break;
        }
        if (text.size() > 200000)
            text.resize(200000);
    }
    return text;
}

} // namespace

int main(int argc, char** argv) {
    double seconds = 3;
    uint64_t seed = 1;
    std::vector<std::string> files;
    for (int i = 1; i < argc; ++i) {
        const std::string argument = argv[i];
        const char* value = i + 1 < argc ? argv[i + 1] : "";
        if (argument == "--seconds") {
            seconds = std::atof(value);
            ++i;
        } else if (argument == "--seed") {
            seed = std::strtoull(value, nullptr, 10);
            ++i;
        } else if (argument == "--write") {
            size_t n = 0;
            for (const std::string& each : fuzz::seeds())
                std::ofstream(std::string(value) + "/seed-" + std::to_string(n++), std::ios::binary) << each;
            return 0;
        } else {
            files.push_back(argument);
        }
    }
    for (int number : {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL})
        ::signal(number, &onSignal);
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(&keepInput);
    if (!files.empty()) {
        for (const std::string& name : files) {
            std::ifstream file(name, std::ios::binary);
            one(std::string(std::istreambuf_iterator<char>(file), {}));
        }
        return 0;
    }
    const auto& seeds = fuzz::seeds();
    if (seeds.empty())
        return 2;
    for (const std::string& each : seeds) {
        one(each);
        for (size_t cut = 0; cut < each.size(); cut += std::max<size_t>(1, each.size() / 100))
            one(each.substr(0, cut));
    }
    std::mt19937_64 random(seed);
    const auto begin = std::chrono::steady_clock::now();
    while (std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() < seconds)
        one(mutated(seeds[random() % seeds.size()], seeds, random));
    std::printf("%llu inputs, the slowest took %.3f s\n", static_cast<unsigned long long>(count), slowest);
    // Work that grows faster than the input is a fault too. Far above what any input needs, sanitizers and load included.
    return slowest < 20 ? 0 : 1;
}
