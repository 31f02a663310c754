// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "core/base/bundle.h"
#include "core/base/os/files.h"
#include "core/base/os/process.h"
#include "core/desk/runs/supervisor.h"

namespace pl::desk {

Status packRun(const std::string& bundleDir, const std::string& tarFile) {
    PL_TRY(Bundle bundle, Bundle::open(bundleDir));
    const std::string name = os::baseName(os::absolutePath(bundleDir));
    os::SpawnOptions tar;
    tar.arguments = {"tar",          "--create",    "--file",         os::absolutePath(tarFile),
                     "--dereference", "--hard-dereference", fmt::format("--exclude={}/lock", name),
                     fmt::format("--exclude={}/desk.json", name), "--directory",
                     os::parentDir(os::absolutePath(bundleDir)), name}; // one folder, so unpacking spills nothing
    constexpr int kAttempts = 5;
    for (int attempt = 1;; ++attempt) {
        PL_TRY(os::Output output, os::runToEnd(tar, 600000));
        if (!output.status.signalled && output.status.code == 0)
            return {};
        const bool changed = !output.status.signalled && output.status.code == 1; // GNU tar: a file changed while it was read
        if (changed && attempt < kAttempts) {
            os::sleepMs(200);
            continue;
        }
        return fail(Code::Io, fmt::format("cannot pack {}: tar ended with {}: {}", bundleDir, output.status.toString(), output.text.substr(0, 400)),
                    changed ? "The run is being written: wait until it has ended, or stop it." : "");
    }
}

} // namespace pl::desk
