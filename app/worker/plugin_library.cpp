// SPDX-License-Identifier: Apache-2.0
#include "app/worker/plugin_library.h"

#include <algorithm>
#include <cstring>

#include <dlfcn.h>
#include <elf.h>

#include "core/base/os/files.h"
#include "pairlab_build_tag.h"

namespace pl::worker {
namespace {

tl::unexpected<Error> mismatch(const std::string& what, const std::string& theirs) {
    return fail(Code::Unsupported,
                fmt::format("{} was built for another PairLab: its build tag is '{}', this worker's is '{}'", what, theirs,
                            PAIRLAB_BUILD_TAG),
                "Rebuild it: pairlab-cli plugins rebuild.");
}

/// A library that was cut short (a torn copy, a full disk) would end this process with a bus error while it is loaded.
Status checkWhole(const std::string& path) {
    PL_TRY(const uint64_t size, os::fileSize(path));
    PL_TRY(const std::string head, os::readFrom(path, 0, sizeof(Elf64_Ehdr)));
    Elf64_Ehdr header{};
    if (head.size() < sizeof header || head.compare(0, SELFMAG, ELFMAG) != 0)
        return {}; // no library at all: the loader says what it is
    std::memcpy(&header, head.data(), sizeof header);
    uint64_t needed = header.e_phoff + uint64_t{header.e_phnum} * sizeof(Elf64_Phdr);
    PL_TRY(const std::string table, os::readFrom(path, header.e_phoff, header.e_phnum * sizeof(Elf64_Phdr)));
    for (size_t at = 0; at + sizeof(Elf64_Phdr) <= table.size(); at += sizeof(Elf64_Phdr)) {
        Elf64_Phdr part{};
        std::memcpy(&part, table.data() + at, sizeof part);
        if (part.p_type == PT_LOAD)
            needed = std::max(needed, part.p_offset + part.p_filesz);
    }
    if (needed > size)
        return fail(Code::Corrupt, fmt::format("{} is cut short: it has {} of at least {} bytes", path, size, needed),
                    "Rebuild it: pairlab-cli plugins rebuild.");
    return {};
}

} // namespace

Result<const pl_plugin*> loadPlugin(const Manifest& manifest) {
    const std::string what = fmt::format("plugin '{}'", manifest.id);
    if (manifest.library.empty())
        return fail(Code::Unsupported, fmt::format("{} is a command, which the worker does not run", what),
                    "Start it with: pairlab-cli run BUNDLE.");
    if (!manifest.buildTag.empty() && manifest.buildTag != PAIRLAB_BUILD_TAG)
        return mismatch(what, manifest.buildTag);
    const std::string path = os::joinPath(manifest.dir, "lib" + manifest.library + ".so");
    if (!os::exists(path))
        return fail(Code::NotFound, fmt::format("{} has no library {}", what, path), "Build it: pairlab-cli plugins rebuild.");
    PL_CHECK(checkWhole(path));
    // Never unloaded: threads and type information of a plugin may outlive its run.
    void* library = ::dlopen(os::absolutePath(path).c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!library) {
        const char* cause = ::dlerror();
        return fail(Code::Unsupported, fmt::format("{} could not be loaded: {}", what, cause ? cause : "unknown cause"),
                    "Rebuild it: pairlab-cli plugins rebuild.");
    }
    const auto entry = reinterpret_cast<pl_plugin_entry>(::dlsym(library, PL_PLUGIN_ENTRY));
    if (!entry)
        return fail(Code::Unsupported, fmt::format("{} exports no {}", path, PL_PLUGIN_ENTRY),
                    "Define it with PAIRLAB_PLUGIN.");
    const pl_plugin* plugin = entry();
    if (!plugin || plugin->abi_major != PL_ABI_MAJOR || plugin->struct_size < sizeof(pl_plugin))
        return fail(Code::Unsupported,
                    fmt::format("{} speaks version {} of the plugin interface, this worker {}", what,
                                plugin ? plugin->abi_major : 0u, PL_ABI_MAJOR),
                    "Rebuild it: pairlab-cli plugins rebuild.");
    if (!plugin->id || manifest.id != plugin->id)
        return fail(Code::InvalidInput, fmt::format("{} is the plugin '{}', its manifest says '{}'", path,
                                                    plugin->id ? plugin->id : "", manifest.id));
    if (!plugin->build_tag || std::string_view(plugin->build_tag) != PAIRLAB_BUILD_TAG)
        return mismatch(what, plugin->build_tag ? plugin->build_tag : "");
    if (!plugin->validate || !plugin->run)
        return fail(Code::InvalidInput, fmt::format("{} lacks validate or run", what));
    return plugin;
}

} // namespace pl::worker
