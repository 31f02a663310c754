// SPDX-License-Identifier: Apache-2.0
// plugins, doctor.
#include <cstdio>
#include <memory>

#include <fmt/format.h>

#include "app/cli/desk.h"
#include "app/cli/plugin_template.h"
#include "core/base/os/files.h"
#include "core/base/os/process.h"

namespace pl::cli {

namespace {

Result<int> listPlugins(bool json) {
    const PluginCatalog catalog = findPlugins(defaultPluginFolders());
    if (json) {
        Json rows = Json::array();
        for (const Manifest& m : catalog.plugins)
            rows.push_back({{"id", m.id}, {"version", m.version}, {"kind", pluginKindName(m.kind)}, {"title", m.title},
                            {"dir", m.dir}});
        printJson({{"plugins", rows}, {"problems", catalog.problems}});
        return 0;
    }
    for (const Manifest& m : catalog.plugins)
        std::printf("%-18s %-8s %-9s %s\n", m.id.c_str(), m.version.c_str(), pluginKindName(m.kind), m.title.c_str());
    for (const std::string& problem : catalog.problems)
        std::fprintf(stderr, "pairlab-cli: %s\n", problem.c_str());
    return 0;
}

Result<int> describe(const std::string& id) {
    const PluginCatalog catalog = findPlugins(defaultPluginFolders());
    const Manifest* manifest = catalog.find(id);
    if (!manifest)
        return fail(Code::NotFound, fmt::format("there is no plugin '{}'", id), "See `pairlab-cli plugins list`.");
    std::printf("%s %s: %s\n%s\n\n", manifest->id.c_str(), manifest->version.c_str(), manifest->title.c_str(),
                manifest->summary.c_str());
    for (const Parameter& p : manifest->parameters)
        std::printf("  %-28s %-8s default %-12s %s\n", p.name.c_str(), paramTypeName(p.type),
                    dumpJson(p.defaultValue).c_str(), p.help.c_str());
    return 0;
}

// Configures and builds the plugin against this program's build, then runs its tests.
Result<int> rebuild(const std::string& dir) {
    const std::string config = os::joinPath(os::parentDir(os::programDir()), "lib/pairlab");
    if (!os::exists(os::joinPath(config, "PairLabPluginConfig.cmake")))
        return fail(Code::NotFound, fmt::format("{} has no PairLabPluginConfig.cmake", config),
                    "Plugins are built against a source build of PairLab (./packaging/quickstart --no-run).");
    const std::string build = os::joinPath(dir, "build");
    const std::string cmake = os::exists("/usr/bin/cmake") ? "/usr/bin/cmake" : "cmake";
    const std::vector<std::vector<std::string>> steps{
        {cmake, "-S", dir, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DPairLabPlugin_DIR=" + config,
         "-DPAIRLAB_WORKER=" + os::joinPath(os::programDir(), "pairlab-worker")},
        {cmake, "--build", build},
        {"ctest", "--test-dir", build, "--output-on-failure"}};
    for (const auto& step : steps) {
        os::SpawnOptions spawn;
        spawn.arguments = step;
        PL_TRY(os::Output output, os::runToEnd(spawn, 1200000));
        std::printf("%s", output.text.c_str());
        if (output.status.signalled || output.status.code != 0)
            return fail(Code::InvalidInput, fmt::format("'{}' ended with {}", step.front(), output.status.toString()),
                        "The compiler's messages are above.");
    }
    std::printf("Built. Use it with PAIRLAB_PLUGIN_PATH=%s\n", os::absolutePath(build).c_str());
    return 0;
}

Result<int> doctor(const std::string& dir, bool json) {
    Json out = Json::object();
    std::vector<std::string> problems;
    const std::string worker = os::joinPath(os::programDir(), "pairlab-worker");
    if (!os::exists(worker)) {
        problems.push_back("there is no pairlab-worker beside this program: nothing can be trained");
    } else {
        os::SpawnOptions spawn;
        spawn.arguments = {worker, "selftest"};
        spawn.environment = {{"OMP_WAIT_POLICY", "passive"}};
        if (auto output = os::runToEnd(spawn, 120000)) {
            out["worker"] = output->text;
            if (output->status.signalled || output->status.code != 0)
                problems.push_back("pairlab-worker selftest: " + output->status.toString());
        } else {
            problems.push_back(output.error().toString());
        }
    }
    const PluginCatalog catalog = findPlugins(defaultPluginFolders());
    for (const std::string& problem : catalog.problems)
        problems.push_back(problem);
    Json ids = Json::array();
    for (const Manifest& m : catalog.plugins)
        ids.push_back(m.id);
    out["plugins"] = ids;
    out["resources"] = desk::resourcesDir();
    if (!os::exists(os::joinPath(desk::resourcesDir(), "starter/model/model.safetensors")))
        problems.push_back("the starter model is missing from " + desk::resourcesDir());
    if (!os::exists(os::joinPath(desk::resourcesDir(), "starter_images/model/model.safetensors")))
        problems.push_back("the starter model of images is missing from " + desk::resourcesDir());
    if (!dir.empty()) {
        PL_TRY(desk::Project project, openProject(dir));
        PL_TRY(desk::CheckReport report, project.check());
        for (const std::string& problem : report.problems)
            problems.push_back(problem);
        PL_TRY(const auto models, desk::checkModels(project));
        for (const Error& problem : models)
            problems.push_back(problem.toString());
        if (auto free = os::freeSpace(dir)) {
            out["free_bytes"] = *free;
            if (*free < (uint64_t{1} << 30))
                problems.push_back("less than 1 GB is free where the project lies");
        }
    }
    out["problems"] = problems;
    if (json) {
        printJson(out);
    } else {
        if (out.contains("worker"))
            std::printf("%s", out["worker"].get<std::string>().c_str());
        std::printf("plugins: %s\n", dumpJson(ids).c_str());
        for (const std::string& problem : problems)
            std::printf("problem: %s\n", problem.c_str());
        if (problems.empty())
            std::printf("Everything is in order.\n");
    }
    return problems.empty() ? 0 : 10;
}

} // namespace

void addPluginCommands(Commands& commands) {
    struct Arguments {
        std::string project, text, name, out;
        bool json = false;
    };
    auto* plugins = commands.app.add_subcommand("plugins", "List, describe, make or rebuild plugins");
    plugins->require_subcommand(1);
    auto a = std::make_shared<Arguments>();
    commands.add("list", "Every plugin found", [a] { return listPlugins(a->json); }, plugins)
        ->add_flag("--json", a->json, "JSON");
    auto d = std::make_shared<Arguments>();
    commands.add("describe", "Its parameters", [d] { return describe(d->text); }, plugins)
        ->add_option("plugin", d->text, "Id")->required();
    auto n = std::make_shared<Arguments>();
    auto* fresh = commands.add("new", "A plugin that builds, tests and runs", [n]() -> Result<int> {
        const std::string dir = n->out.empty() ? n->text : os::joinPath(n->out, n->text);
        // A second plugin of one id would hide the first.
        const PluginCatalog catalog = findPlugins(defaultPluginFolders());
        if (const Manifest* known = catalog.find(os::baseName(n->text)))
            return fail(Code::InvalidInput, fmt::format("there is a plugin '{}' already, in {}", known->id, known->dir),
                        "Choose another name; `pairlab-cli plugins list` shows those in use.");
        PL_CHECK(writePluginTemplate(dir, os::baseName(n->text)));
        std::printf("%s written. Build it: pairlab-cli plugins rebuild %s\n", dir.c_str(), dir.c_str());
        return 0;
    }, plugins);
    fresh->add_option("name", n->text, "Its id: lower-case letters, digits, underscores")->required();
    fresh->add_option("--in", n->out, "Folder to make it in");
    auto r = std::make_shared<Arguments>();
    commands.add("rebuild", "Build and test a plugin folder", [r] { return rebuild(r->text); }, plugins)
        ->add_option("folder", r->text, "The plugin's folder")->required();

    auto doc = std::make_shared<Arguments>();
    auto* sub = commands.add("doctor", "Look for what is missing or broken", [doc] { return doctor(doc->project, doc->json); });
    sub->add_option("project", doc->project, "Project folder (optional)");
    sub->add_flag("--json", doc->json, "JSON");
}

} // namespace pl::cli
