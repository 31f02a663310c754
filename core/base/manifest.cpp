// SPDX-License-Identifier: Apache-2.0
#include "core/base/manifest.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include <fmt/format.h>

#include "core/base/os/files.h"

namespace pl {

// parameters.cpp
Result<Json> checkedValue(const Parameter& parameter, const Json& value, const std::string& what);

namespace {

constexpr JsonLimits kManifestLimits{size_t{4} << 20, 24};
const std::vector<std::string> kDataKinds = {"pairs", "prompts", "sft", "unpaired", "ties"};

tl::unexpected<Error> bad(const std::string& what, std::string why) {
    return fail(Code::InvalidInput, fmt::format("{}: {}", what, why));
}

bool isName(const std::string& text, std::string_view more = "_") {
    if (text.empty() || text.size() > 64 || !(text[0] >= 'a' && text[0] <= 'z'))
        return false;
    return std::all_of(text.begin(), text.end(), [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || more.find(c) != std::string_view::npos;
    });
}

bool isVersion(const std::string& text) {
    return !text.empty() && text.size() <= 64 && text[0] >= '0' && text[0] <= '9' &&
           text.find_first_not_of("0123456789abcdefghijklmnopqrstuvwxyz.+-") == std::string::npos;
}

Result<std::vector<std::string>> stringsOr(const Json& object, const char* key, const std::string& what) {
    std::vector<std::string> result;
    const auto found = object.find(key);
    if (found == object.end())
        return result;
    if (!found->is_array())
        return bad(what, fmt::format("\"{}\" must be a list of strings", key));
    for (const Json& item : *found) {
        if (!item.is_string())
            return bad(what, fmt::format("\"{}\" must be a list of strings", key));
        result.push_back(item.get<std::string>());
    }
    return result;
}

Status oneOf(const std::vector<std::string>& given, const std::vector<std::string>& known, const char* key,
             const std::string& what) {
    for (const std::string& item : given)
        if (std::find(known.begin(), known.end(), item) == known.end())
            return bad(what, fmt::format("\"{}\" in \"{}\" is not known (known: {})", item.substr(0, 40), key,
                                         fmt::join(known, ", ")));
    return {};
}

const std::map<std::string, ParamType>& typeNames() {
    static const std::map<std::string, ParamType> names = {
        {"boolean", ParamType::Boolean},      {"integer", ParamType::Integer},
        {"number", ParamType::Number},        {"string", ParamType::String},
        {"enum", ParamType::Enum},            {"path", ParamType::Path},
        {"model_ref", ParamType::ModelRef},   {"dataset_ref", ParamType::DatasetRef},
        {"variants", ParamType::Variants}};
    return names;
}

bool isNumeric(ParamType type) {
    return type == ParamType::Integer || type == ParamType::Number;
}

Result<std::optional<double>> boundOf(const Json& json, const char* key, const std::string& what) {
    const auto found = json.find(key);
    if (found == json.end() || found->is_null())
        return std::optional<double>();
    PL_TRY(const double value, field<double>(json, key, what));
    return std::optional<double>(value);
}

Result<std::vector<Parameter>> parametersOf(const Json& properties, const std::string& what, bool allowVariants);

Result<std::vector<Variant>> variantsOf(const Json& json, const std::string& what) {
    const auto found = json.find("variants");
    if (found == json.end() || !found->is_array() || found->empty())
        return bad(what, "\"variants\" must be a list with at least one choice");
    std::vector<Variant> variants;
    for (const Json& item : *found) {
        Variant variant;
        PL_TRY(variant.name, field<std::string>(item, "name", what + ": variant"));
        const std::string where = fmt::format("{}: variant \"{}\"", what, variant.name.substr(0, 80));
        if (!isName(variant.name, "_-"))
            return bad(where, "the name must be lower case letters, digits, _ and -");
        PL_TRY(variant.label, fieldOr<std::string>(item, "label", variant.name, where));
        PL_TRY(variant.help, fieldOr<std::string>(item, "help", "", where));
        PL_TRY(variant.data, stringsOr(item, "data", where));
        PL_CHECK(oneOf(variant.data, kDataKinds, "data", where));
        if (const auto properties = item.find("properties"); properties != item.end()) {
            PL_TRY(variant.parameters, parametersOf(*properties, where, false));
        }
        for (const Parameter& parameter : variant.parameters)
            if (parameter.name == "type")
                return bad(where, "a parameter may not be called \"type\": that names the variant");
        for (const Variant& other : variants)
            if (other.name == variant.name)
                return bad(where, "appears twice");
        variants.push_back(std::move(variant));
    }
    return variants;
}

Status checkNumeric(const Parameter& parameter, const Json& json, const std::string& what) {
    if (!isNumeric(parameter.type)) {
        for (const char* key : {"min", "max", "exclusive_min", "scale"})
            if (json.contains(key))
                return bad(what, fmt::format("\"{}\" is for numbers only", key));
        return {};
    }
    if (parameter.min && parameter.max && *parameter.min > *parameter.max)
        return bad(what, fmt::format("\"min\" {} is above \"max\" {}", *parameter.min, *parameter.max));
    if (parameter.exclusiveMin && !parameter.min)
        return bad(what, "\"exclusive_min\" needs \"min\"");
    if (!parameter.scale.empty() && parameter.scale != "log" && parameter.scale != "linear")
        return bad(what, fmt::format("\"scale\" is \"{}\", not log or linear", parameter.scale.substr(0, 40)));
    if (parameter.scale == "log" && (!parameter.min || *parameter.min < 0 || (*parameter.min == 0 && !parameter.exclusiveMin)))
        return bad(what, "a log scale needs a \"min\" above 0");
    return {};
}

Result<Parameter> parameterOf(const std::string& name, const Json& json, const std::string& outer, bool allowVariants) {
    const std::string what = fmt::format("{}: parameter \"{}\"", outer, name.substr(0, 80));
    if (!isName(name))
        return bad(what, "the name must be lower case letters, digits and _, and begin with a letter");
    if (!json.is_object())
        return bad(what, "must be an object");
    static const std::set<std::string> kKnown = {
        "type", "default", "min", "max", "exclusive_min", "scale", "step", "values", "group", "label", "help",
        "unit", "advanced", "basic", "visible_if", "variants", "pattern", "deprecated"};
    for (const auto& item : json.items())
        if (!kKnown.count(item.key()))
            return bad(what, fmt::format("\"{}\" is not known here", item.key().substr(0, 80)));
    Parameter parameter;
    parameter.name = name;
    PL_TRY(const std::string type, field<std::string>(json, "type", what));
    const auto known = typeNames().find(type);
    if (known == typeNames().end())
        return bad(what, fmt::format("the type \"{}\" is not known", type.substr(0, 40)));
    parameter.type = known->second;
    if (parameter.type == ParamType::Variants && !allowVariants)
        return bad(what, "variants may not hold variants");
    PL_TRY(parameter.min, boundOf(json, "min", what));
    PL_TRY(parameter.max, boundOf(json, "max", what));
    PL_TRY(parameter.exclusiveMin, fieldOr<bool>(json, "exclusive_min", false, what));
    PL_TRY(parameter.scale, fieldOr<std::string>(json, "scale", "", what));
    PL_CHECK(checkNumeric(parameter, json, what));
    if (parameter.scale == "linear")
        parameter.scale.clear();
    PL_TRY(parameter.group, fieldOr<std::string>(json, "group", "", what));
    PL_TRY(parameter.label, fieldOr<std::string>(json, "label", name, what));
    PL_TRY(parameter.help, fieldOr<std::string>(json, "help", "", what));
    PL_TRY(parameter.unit, fieldOr<std::string>(json, "unit", "", what));
    PL_TRY(parameter.advanced, fieldOr<bool>(json, "advanced", false, what));
    PL_TRY(parameter.basic, fieldOr<bool>(json, "basic", false, what));
    PL_TRY(parameter.values, stringsOr(json, "values", what));
    if (parameter.type == ParamType::Enum) {
        if (parameter.values.empty())
            return bad(what, "an enum needs \"values\"");
        if (std::set<std::string>(parameter.values.begin(), parameter.values.end()).size() != parameter.values.size())
            return bad(what, "\"values\" holds a value twice");
    } else if (json.contains("values")) {
        return bad(what, "\"values\" is for enums only");
    }
    if (parameter.type == ParamType::Variants) {
        PL_TRY(parameter.variants, variantsOf(json, what));
    } else if (json.contains("variants")) {
        return bad(what, "\"variants\" needs the type variants");
    }
    if (const auto given = json.find("default"); given != json.end()) {
        if (given->is_null() && !isNumeric(parameter.type))
            return bad(what, "only a number may have the default null");
        if (!given->is_null()) {
            PL_TRY(parameter.defaultValue, checkedValue(parameter, *given, what + ": default"));
        }
    } else if (parameter.type == ParamType::Variants) {
        parameter.defaultValue = Json::array();
    } else if (parameter.type == ParamType::Boolean || parameter.type == ParamType::Enum || isNumeric(parameter.type)) {
        return bad(what, "\"default\" is missing");
    } else {
        parameter.defaultValue = "";
    }
    if (const auto visible = json.find("visible_if"); visible != json.end()) {
        if (!visible->is_object())
            return bad(what, "\"visible_if\" must be an object of lists");
        parameter.visibleIf = Json::object();
        for (const auto& [key, value] : visible->items())
            parameter.visibleIf[key] = value.is_array() ? value : Json::array({value});
    }
    return parameter;
}

/// visible_if may only name a sibling, and values that it can have.
Status checkVisibility(const std::vector<Parameter>& parameters, const std::string& what) {
    for (const Parameter& parameter : parameters) {
        if (!parameter.visibleIf.is_object())
            continue;
        const std::string where = fmt::format("{}: parameter \"{}\": visible_if", what, parameter.name);
        for (const auto& [key, values] : parameter.visibleIf.items()) {
            const auto other = std::find_if(parameters.begin(), parameters.end(),
                                            [&, name = key](const Parameter& p) { return p.name == name; });
            if (other == parameters.end())
                return bad(where, fmt::format("there is no parameter \"{}\"", key.substr(0, 80)));
            if (other->name == parameter.name)
                return bad(where, "refers to itself");
            for (const Json& value : values)
                if (auto good = checkedValue(*other, value, where); !good)
                    return tl::unexpected<Error>(std::move(good).error());
        }
    }
    return {};
}

Result<std::vector<Parameter>> parametersOf(const Json& properties, const std::string& what, bool allowVariants) {
    if (!properties.is_object())
        return bad(what, "\"properties\" must be an object");
    if (properties.size() > 500)
        return bad(what, "has more than 500 parameters");
    std::vector<Parameter> parameters;
    for (const auto& [name, json] : properties.items()) {
        PL_TRY(Parameter parameter, parameterOf(name, json, what, allowVariants));
        parameters.push_back(std::move(parameter));
    }
    PL_CHECK(checkVisibility(parameters, what));
    return parameters;
}

Status readNeeds(Manifest& manifest, const Json& json, const std::string& what) {
    const auto needs = json.find("needs");
    if (needs == json.end())
        return {};
    if (!needs->is_object())
        return bad(what, "\"needs\" must be an object");
    PL_TRY(manifest.data, stringsOr(*needs, "data", what));
    PL_CHECK(oneOf(manifest.data, kDataKinds, "data", what));
    PL_TRY(manifest.modalities, stringsOr(*needs, "modalities", what));
    PL_CHECK(oneOf(manifest.modalities, {"text", "image"}, "modalities", what));
    const auto models = needs->find("models");
    if (models == needs->end())
        return {};
    if (!models->is_array())
        return bad(what, "\"models\" must be a list");
    for (const Json& item : *models) {
        ModelNeed need;
        PL_TRY(need.role, field<std::string>(item, "role", what + ": needs.models"));
        PL_TRY(need.optional, fieldOr<bool>(item, "optional", false, what + ": needs.models"));
        PL_TRY(need.kind, fieldOr<std::string>(item, "kind", "", what + ": needs.models"));
        if (!isName(need.role))
            return bad(what, fmt::format("the model role \"{}\" is not a name", need.role.substr(0, 40)));
        if (!need.kind.empty() && !isName(need.kind))
            return bad(what, fmt::format("the model kind \"{}\" is not a name", need.kind.substr(0, 40)));
        for (const ModelNeed& other : manifest.models)
            if (other.role == need.role)
                return bad(what, fmt::format("the model role \"{}\" appears twice", need.role));
        manifest.models.push_back(std::move(need));
    }
    return {};
}

Status readMetrics(Manifest& manifest, const Json& json, const std::string& what) {
    const auto metrics = json.find("metrics");
    if (metrics == json.end())
        return {};
    if (!metrics->is_array())
        return bad(what, "\"metrics\" must be a list");
    for (const Json& item : *metrics) {
        const std::string where = what + ": metrics";
        MetricInfo metric;
        PL_TRY(metric.name, field<std::string>(item, "name", where));
        if (metric.name.empty() || metric.name.size() > 200)
            return bad(where, "a name is empty or too long");
        PL_TRY(metric.label, fieldOr<std::string>(item, "label", metric.name, where));
        PL_TRY(metric.better, fieldOr<std::string>(item, "better", "", where));
        PL_TRY(metric.group, fieldOr<std::string>(item, "group", "", where));
        PL_TRY(metric.help, fieldOr<std::string>(item, "help", "", where));
        PL_CHECK(oneOf({metric.better}, {"", "higher", "lower"}, "better", where));
        for (const MetricInfo& other : manifest.metrics)
            if (other.name == metric.name)
                return bad(where, fmt::format("\"{}\" appears twice", metric.name));
        manifest.metrics.push_back(std::move(metric));
    }
    return {};
}

Status readParameters(Manifest& manifest, const Json& json, const std::string& what) {
    const auto parameters = json.find("parameters");
    if (parameters == json.end())
        return {};
    if (!parameters->is_object())
        return bad(what, "\"parameters\" must be an object with \"groups\" and \"properties\"");
    PL_TRY(manifest.groups, stringsOr(*parameters, "groups", what));
    if (const auto properties = parameters->find("properties"); properties != parameters->end()) {
        PL_TRY(manifest.parameters, parametersOf(*properties, what, true));
    }
    for (const Parameter& parameter : manifest.parameters)
        if (!parameter.group.empty() &&
            std::find(manifest.groups.begin(), manifest.groups.end(), parameter.group) == manifest.groups.end())
            return bad(what, fmt::format("parameter \"{}\" is in the group \"{}\", which \"groups\" does not list",
                                         parameter.name, parameter.group.substr(0, 80)));
    return {};
}

/// Parameters in the order of the file: the reader of values sorts keys.
void sortLike(std::vector<Parameter>& parameters, const nlohmann::ordered_json& properties) {
    std::map<std::string, size_t> order;
    for (const auto& item : properties.items())
        order.emplace(item.key(), order.size());
    std::stable_sort(parameters.begin(), parameters.end(),
                     [&](const Parameter& a, const Parameter& b) { return order[a.name] < order[b.name]; });
    for (Parameter& parameter : parameters)
        for (size_t i = 0; i < parameter.variants.size(); ++i) {
            const auto& variant = properties.at(parameter.name).at("variants").at(i);
            if (variant.contains("properties"))
                sortLike(parameter.variants[i].parameters, variant.at("properties"));
        }
}

} // namespace

const Parameter* Manifest::parameter(std::string_view name) const {
    for (const Parameter& parameter : parameters)
        if (parameter.name == name)
            return &parameter;
    return nullptr;
}

bool Manifest::needsData(std::string_view kind, const Json& given) const {
    const auto lists = [&](const std::vector<std::string>& kinds) {
        return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
    };
    if (lists(data))
        return true;
    for (const Parameter& parameter : parameters) {
        const auto items = given.find(parameter.name);
        if (parameter.type != ParamType::Variants || items == given.end() || !items->is_array())
            continue;
        for (const Variant& variant : parameter.variants)
            if (lists(variant.data) && std::any_of(items->begin(), items->end(), [&](const Json& item) {
                    return item.is_object() && item.value("type", Json()) == variant.name;
                }))
                return true;
    }
    return false;
}

Result<Manifest> Manifest::load(const std::string& dir) {
    const std::string path = os::joinPath(dir, "manifest.json");
    PL_TRY(const std::string text, os::readFile(path, kManifestLimits.maxBytes));
    PL_TRY(const Json json, parseJson(text, path, kManifestLimits));
    PL_TRY(Manifest manifest, fromJson(json, dir));
    try {
        const auto ordered = nlohmann::ordered_json::parse(text); // checked above: only the order is new
        if (ordered.contains("parameters") && ordered.at("parameters").contains("properties"))
            sortLike(manifest.parameters, ordered.at("parameters").at("properties"));
    } catch (const std::exception& error) {
        return fail(Code::Corrupt, fmt::format("{}: {}", path, error.what()));
    }
    return manifest;
}

Result<Manifest> Manifest::fromJson(const Json& json, const std::string& dir) {
    std::string what = os::joinPath(dir, "manifest.json");
    PL_TRY(const int64_t version, field<int64_t>(json, "manifest_version", what));
    if (version > kVersion)
        return fail(Code::NewerFormat,
                    fmt::format("{} has manifest_version {}, this program reads {}", what, version, kVersion),
                    "Use a newer PairLab, or an older version of the plugin.");
    if (version != kVersion)
        return bad(what, fmt::format("manifest_version {} is not valid", version));
    Manifest manifest;
    manifest.dir = dir;
    PL_TRY(manifest.id, field<std::string>(json, "id", what));
    if (!isName(manifest.id, "_-."))
        return bad(what, fmt::format("the id \"{}\" must be lower case letters, digits, _ - and .", manifest.id.substr(0, 80)));
    PL_TRY(manifest.version, field<std::string>(json, "version", what));
    if (!isVersion(manifest.version))
        return bad(what, fmt::format("the version \"{}\" is not of the form 1.0.0", manifest.version.substr(0, 80)));
    PL_TRY(manifest.title, field<std::string>(json, "title", what));
    if (manifest.title.empty())
        return bad(what, "\"title\" is empty");
    PL_TRY(manifest.summary, fieldOr<std::string>(json, "summary", "", what));
    PL_TRY(const std::string kind, field<std::string>(json, "kind", what));
    PL_CHECK(oneOf({kind}, {"generate", "train", "evaluate"}, "kind", what));
    manifest.kind = kind == "generate" ? PluginKind::Generate : kind == "train" ? PluginKind::Train : PluginKind::Evaluate;
    PL_TRY(manifest.references, stringsOr(json, "references", what));
    PL_TRY(manifest.library, fieldOr<std::string>(json, "library", "", what));
    PL_TRY(manifest.command, stringsOr(json, "command", what));
    if (manifest.library.empty() == manifest.command.empty())
        return bad(what, "needs either \"library\" or \"command\"");
    if (!manifest.library.empty() &&
        (!isName(manifest.library, "_-.") || manifest.library.find("..") != std::string::npos))
        return bad(what, fmt::format("\"library\" is \"{}\", which is not a plain name", manifest.library.substr(0, 80)));
    if (!manifest.command.empty() && manifest.command.front().empty())
        return bad(what, "\"command\" begins with an empty program name");
    PL_TRY(manifest.buildTag, fieldOr<std::string>(json, "build_tag", "", what));
    PL_TRY(manifest.resident, fieldOr<bool>(json, "resident", false, what));
    PL_CHECK(readNeeds(manifest, json, what));
    PL_CHECK(readMetrics(manifest, json, what));
    PL_CHECK(readParameters(manifest, json, what));
    return manifest;
}

const char* pluginKindName(PluginKind kind) {
    switch (kind) {
    case PluginKind::Generate: return "generate";
    case PluginKind::Train: return "train";
    case PluginKind::Evaluate: return "evaluate";
    }
    return "train";
}

const char* paramTypeName(ParamType type) {
    for (const auto& [name, value] : typeNames())
        if (value == type)
            return name.c_str();
    return "string";
}

const Manifest* PluginCatalog::find(std::string_view id) const {
    for (const Manifest& plugin : plugins)
        if (plugin.id == id)
            return &plugin;
    return nullptr;
}

std::vector<std::string> defaultPluginFolders() {
    std::vector<std::string> folders;
    const std::string listed = os::environment("PAIRLAB_PLUGIN_PATH");
    for (size_t begin = 0; begin < listed.size();) {
        const size_t end = std::min(listed.find(':', begin), listed.size());
        if (end > begin)
            folders.push_back(listed.substr(begin, end - begin));
        begin = end + 1;
    }
    folders.push_back(os::absolutePath(os::joinPath(os::programDir(), "../lib/pairlab/plugins")));
    folders.push_back(os::joinPath(os::userDataDir(), "plugins"));
    return folders;
}

PluginCatalog findPlugins(const std::vector<std::string>& folders) {
    PluginCatalog catalog;
    for (const std::string& folder : folders) {
        const auto names = os::listDir(folder);
        if (!names)
            continue; // a folder that is not there holds no plugins
        for (const std::string& name : *names) {
            const std::string dir = os::joinPath(folder, name);
            if (!os::exists(os::joinPath(dir, "manifest.json")))
                continue;
            auto manifest = Manifest::load(dir);
            if (!manifest)
                catalog.problems.push_back(manifest.error().toString());
            else if (!catalog.find(manifest->id))
                catalog.plugins.push_back(std::move(*manifest));
        }
    }
    std::sort(catalog.plugins.begin(), catalog.plugins.end(),
              [](const Manifest& a, const Manifest& b) { return a.id < b.id; });
    return catalog;
}

} // namespace pl
