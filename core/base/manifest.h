// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/base/result.h"

namespace pl {

enum class ParamType { Boolean, Integer, Number, String, Enum, Path, ModelRef, DatasetRef, Variants };

struct Parameter;

/// One choice of a list of variants: {"type": "length", "weight": 0.5, ...} is described by name "length".
struct Variant {
    std::string name;
    std::string label;
    std::string help;
    std::vector<std::string> data; ///< needed besides the manifest's when this one is chosen
    std::vector<Parameter> parameters;
};

/// One property of the schema (DESIGN section 3). A list of variants is written
/// {"type": "variants", "default": [{"type": "length", "weight": 0.5}], "variants": [{"name": "length", "label": "...",
/// "properties": {"weight": {"type": "number", "default": 1.0}}}]}. Only numbers may have the default null ("left to the job").
struct Parameter {
    std::string name;
    ParamType type = ParamType::Number;
    Json defaultValue;
    std::optional<double> min, max;
    bool exclusiveMin = false;
    std::string scale; ///< "" | "log"
    std::vector<std::string> values; ///< of an enum
    std::string group, label, help, unit;
    bool advanced = false;
    bool basic = false; ///< among the few fields shown first
    Json visibleIf;     ///< {"loss": ["sigmoid", "ipo"]}
    std::vector<Variant> variants; ///< of a list of one-level variants
};

struct MetricInfo {
    std::string name, label, better /* higher | lower | "" */, group, help;
};

struct ModelNeed {
    std::string role;
    bool optional = false;
    std::string kind; ///< "" (a language model) | "reward_model"
};

enum class PluginKind { Generate, Train, Evaluate };

/// manifest.json, validated. The desk reads this and never loads code.
struct Manifest {
    static constexpr int kVersion = 1;
    std::string id, version, title, summary, dir;
    PluginKind kind = PluginKind::Train;
    std::vector<std::string> references;
    std::string library;               ///< "pairlab_dpo" -> lib<library>.so beside the manifest
    std::vector<std::string> command;  ///< or any program; "{plugin_dir}" is replaced; the bundle's path is appended
    std::string buildTag;
    std::vector<std::string> data;     ///< "pairs" | "prompts" | "sft" | "unpaired"
    std::vector<std::string> modalities;
    std::vector<ModelNeed> models;
    std::vector<MetricInfo> metrics;
    std::vector<std::string> groups;
    std::vector<Parameter> parameters;
    bool resident = false; ///< can answer requests

    const Parameter* parameter(std::string_view name) const;
    /// Does a run with these parameters read `kind` of data: always, or for a variant they choose?
    bool needsData(std::string_view kind, const Json& parameters = Json::object()) const;
    /// Reads and validates <dir>/manifest.json.
    static Result<Manifest> load(const std::string& dir);
    static Result<Manifest> fromJson(const Json& json, const std::string& dir);

    /// Fills in defaults and checks types, ranges, enum values and variants. Unknown names are refused with the nearest
    /// known one. The single validator of window, CLI and worker.
    Result<Json> effectiveParameters(const Json& given) const;
    /// "steps=200" -> typed value put into `object` (lists and variants as JSON text).
    Status setFromText(Json& object, const std::string& assignment) const;
    /// Is the parameter shown, given the others' values?
    static bool isVisible(const Parameter& parameter, const Json& values);
};

const char* pluginKindName(PluginKind kind);
const char* paramTypeName(ParamType type);

/// Plugins found below the given folders (each <folder>/<id>/manifest.json); problems are reported, not thrown away.
struct PluginCatalog {
    std::vector<Manifest> plugins; ///< by id; the first folder wins on duplicates
    std::vector<std::string> problems;
    const Manifest* find(std::string_view id) const;
};
/// PAIRLAB_PLUGIN_PATH (colon separated), then <program>/../lib/pairlab/plugins, then the user's folder.
std::vector<std::string> defaultPluginFolders();
PluginCatalog findPlugins(const std::vector<std::string>& folders);

} // namespace pl
