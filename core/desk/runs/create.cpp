// SPDX-License-Identifier: Apache-2.0
#include <filesystem>

#include "core/base/os/files.h"
#include "core/base/os/lock.h"
#include "core/desk/runs/actions.h"

namespace pl::desk {

Result<Project> createProject(const std::string& dir, const ProjectOptions& options, bool starter) {
    const bool existed = os::exists(dir);
    PL_TRY(Project project, Project::create(dir, options));
    if (!starter)
        return project;
    if (auto added = addStarter(project); !added) {
        // While the project is open nobody else can have begun one here; its lock file goes last.
        const std::string path = project.dir();
        const auto clear = [&] {
            const auto entries = os::listDir(path);
            for (const std::string& entry : entries ? *entries : std::vector<std::string>())
                if (entry != "project.lock")
                    (void)os::removeTree(os::joinPath(path, entry));
        };
        clear();
        (void)project.close();
        const auto lock = os::FileLock::tryAcquire(os::joinPath(path, "project.lock"));
        if (lock && !Project::isProject(path)) { // else another program has taken the folder since
            clear();
            (void)os::removeTree(os::joinPath(path, "project.lock"));
            std::error_code ignored;
            if (!existed)
                std::filesystem::remove(path, ignored); // only when empty
        }
        return tl::unexpected<Error>(std::move(added).error());
    }
    return project;
}

} // namespace pl::desk
