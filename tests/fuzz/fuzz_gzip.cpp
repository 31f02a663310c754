// SPDX-License-Identifier: Apache-2.0
// Compressed files to import: what is damaged is refused, what is whole comes back, and no small file becomes a large text.
#include <sys/mman.h>
#include <unistd.h>

#include <zlib.h>

#include "core/desk/exchange/import.h"
#include "tests/fuzz/fuzz.h"

namespace {

constexpr uint64_t kMost = uint64_t{1} << 20;

std::string packed(std::string_view text) {
    z_stream stream{};
    fuzz::expect(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    std::string out(deflateBound(&stream, text.size()) + 32, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    fuzz::expect(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
}

pl::Result<std::string> read(std::string_view bytes) {
    static const int file = ::memfd_create("import.jsonl.gz", 0);
    static const std::string path = "/proc/self/fd/" + std::to_string(file);
    fuzz::expect(file >= 0 && ::ftruncate(file, 0) == 0 &&
                 ::pwrite(file, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
    return pl::desk::readMaybeGzip(path, kMost);
}

} // namespace

const std::vector<std::string>& fuzz::seeds() {
    const std::string row = R"({"chosen":"\n\nHuman: Q\n\nAssistant: yes","rejected":"\n\nHuman: Q\n\nAssistant: no"})";
    static const std::vector<std::string> all = {packed(row + "\n" + row + "\n"), packed("") + packed("two members\n"),
                                                 packed(std::string(kMost + 1, 'x')), row, "\x1f\x8b\x08", ""};
    return all;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view bytes = fuzz::view(data, size);
    const auto text = read(bytes);
    if (text)
        fuzz::expect(text->size() <= kMost && (bytes.substr(0, 2) == "\x1f\x8b" || *text == bytes));
    else
        fuzz::expect(!text.error().message.empty() && !text.error().hint.empty());
    if (text) {
        pl::desk::ImportOptions options;
        options.maxRejectedShare = 1;
        (void)pl::desk::parseImport(*text, "import.jsonl.gz", options);
    }
    // The same bytes packed come back; cut anywhere they do not.
    if (size > 4096)
        return 0;
    const std::string whole = packed(bytes);
    const auto back = read(whole);
    fuzz::expect(back && *back == bytes);
    const size_t cut = 2 + (size * 31 + (size ? data[0] : 0)) % (whole.size() - 2);
    fuzz::expect(!read(std::string_view(whole).substr(0, cut)));
    return 0;
}
