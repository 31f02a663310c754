// SPDX-License-Identifier: Apache-2.0
#include "core/base/manifest.h"
#include "tests/base/check.h"

using namespace pl;

namespace {

const char* kManifest = R"({
  "manifest_version": 1, "id": "dpo", "version": "1.0.0", "kind": "train", "title": "Direct preference optimisation",
  "references": ["arXiv:2305.18290"], "library": "pairlab_dpo", "build_tag": "t", "a_key_of_the_future": 1,
  "needs": {"data": ["pairs"], "modalities": ["text"],
            "models": [{"role": "policy"}, {"role": "reference", "optional": true}]},
  "metrics": [{"name": "rewards/margins", "label": "Reward margin", "better": "higher", "group": "Preference"}],
  "parameters": {"groups": ["Loss", "Steps"], "properties": {
    "loss": {"type": "enum", "values": ["sigmoid", "ipo", "hinge"], "default": "sigmoid", "group": "Loss"},
    "beta": {"type": "number", "default": 0.1, "min": 0.0001, "max": 10, "scale": "log", "group": "Loss",
             "visible_if": {"loss": ["sigmoid", "ipo"]}},
    "steps": {"type": "integer", "default": 200, "min": 1, "max": 100000, "group": "Steps", "basic": true},
    "clip": {"type": "number", "default": null, "min": 0, "exclusive_min": true},
    "bf16": {"type": "boolean", "default": false},
    "judge": {"type": "model_ref"},
    "note": {"type": "string", "default": "x"},
    "rewards": {"type": "variants", "default": [{"type": "length"}], "variants": [
      {"name": "length", "label": "Length", "properties": {
        "weight": {"type": "number", "default": 1, "min": -10, "max": 10}, "target": {"type": "integer", "default": 20}}},
      {"name": "model", "properties": {"path": {"type": "model_ref"}}}]}
  }}})";

Manifest manifest() {
    TempDir dir;
    dir.write("manifest.json", kManifest);
    auto result = Manifest::load(dir.path());
    if (!result)
        qFatal("%s", result.error().toString().c_str());
    return std::move(*result);
}

} // namespace

class TestManifest : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void readsAManifestInItsOrder() {
        const Manifest m = manifest();
        QCOMPARE(m.id, std::string("dpo"));
        QCOMPARE(int(m.kind), int(PluginKind::Train));
        QCOMPARE(m.models.size(), size_t(2));
        QVERIFY(m.models[1].optional);
        QCOMPARE(m.metrics[0].better, std::string("higher"));
        std::vector<std::string> names;
        for (const Parameter& p : m.parameters)
            names.push_back(p.name);
        QCOMPARE(names, (std::vector<std::string>{"loss", "beta", "steps", "clip", "bf16", "judge", "note", "rewards"}));
        QCOMPARE(m.parameter("rewards")->variants[0].parameters[0].name, std::string("weight"));
        QVERIFY(m.parameter("steps")->basic);
        QCOMPARE(std::string(paramTypeName(m.parameter("judge")->type)), std::string("model_ref"));
        QVERIFY(!m.parameter("none"));
    }

    void refusesBadManifests_data() {
        QTest::addColumn<QByteArray>("pointer");
        QTest::addColumn<QByteArray>("value");
        QTest::addColumn<QByteArray>("says");
        const auto row = [](const char* pointer, const char* value, const char* says) {
            QTest::addRow("%s = %s", pointer, value) << QByteArray(pointer) << QByteArray(value) << QByteArray(says);
        };
        row("/manifest_version", "2", "newer PairLab");
        row("/manifest_version", "0", "manifest_version");
        row("/manifest_version", "\"1\"", "manifest_version");
        row("/id", "\"\"", "the id");
        row("/id", "\"../dpo\"", "the id");
        row("/id", "\"DPO\"", "the id");
        row("/id", "7", "\"id\" must be a string");
        row("/version", "\"latest\"", "the version");
        row("/title", "\"\"", "title");
        row("/kind", "\"destroy\"", "known: generate, train, evaluate");
        row("/library", "\"../../evil\"", "not a plain name");
        row("/library", "\"\"", "either \"library\" or \"command\"");
        row("/command", "[\"sh\"]", "either \"library\" or \"command\"");
        row("/command", "\"sh -c x\"", "list of strings");
        row("/references", "[1]", "list of strings");
        row("/needs", "[]", "needs");
        row("/needs/data", "[\"everything\"]", "\"everything\" in \"data\"");
        row("/needs/modalities", "[\"smell\"]", "smell");
        row("/needs/models", "{}", "models");
        row("/needs/models/1/role", "\"policy\"", "appears twice");
        row("/needs/models/0/role", "\"A b\"", "not a name");
        row("/metrics", "{}", "metrics");
        row("/metrics/0/better", "\"sideways\"", "sideways");
        row("/metrics/0/name", "\"\"", "a name is empty");
        row("/metrics/1", R"({"name":"rewards/margins"})", "appears twice");
        row("/parameters", "[]", "parameters");
        row("/parameters/properties", "[]", "properties");
        row("/parameters/groups", "[\"Steps\"]", "group \"Loss\"");
        row("/parameters/properties/Bad Name", R"({"type":"boolean","default":true})", "\"Bad Name\"");
        row("/parameters/properties/beta", "3", "must be an object");
        row("/parameters/properties/beta/type", "\"complex\"", "type \"complex\"");
        row("/parameters/properties/beta/default", "100", "out of range");
        row("/parameters/properties/beta/default", "\"0.1\"", "must be a number");
        row("/parameters/properties/beta/min", "0", "log scale");
        row("/parameters/properties/beta/min", "20", "above \"max\"");
        row("/parameters/properties/beta/scale", "\"cubic\"", "cubic");
        row("/parameters/properties/beta/mim", "1", "\"mim\" is not known");
        row("/parameters/properties/beta/values", "[\"a\"]", "enums only");
        row("/parameters/properties/beta/visible_if", R"({"lss":["ipo"]})", "no parameter \"lss\"");
        row("/parameters/properties/beta/visible_if", R"({"loss":["kto"]})", "\"kto\" is not one of");
        row("/parameters/properties/beta/visible_if", "true", "visible_if");
        row("/parameters/properties/loss/values", "[]", "needs \"values\"");
        row("/parameters/properties/loss/values", R"(["sigmoid","ipo","hinge","ipo"])", "twice");
        row("/parameters/properties/loss/default", "\"kto\"", "not one of");
        row("/parameters/properties/loss/min", "1", "numbers only");
        row("/parameters/properties/steps", R"({"type":"integer"})", "\"default\" is missing");
        row("/parameters/properties/steps/default", "2.5", "whole number");
        row("/parameters/properties/bf16/default", "null", "only a number");
        row("/parameters/properties/note/variants", "[]", "needs the type variants");
        row("/parameters/properties/rewards/variants", "[]", "at least one");
        row("/parameters/properties/rewards/variants/1/name", "\"length\"", "appears twice");
        row("/parameters/properties/rewards/variants/1/data", "[\"dreams\"]", "is not known");
        row("/parameters/properties/rewards/variants/1/properties/type", R"({"type":"string"})", "called \"type\"");
        row("/parameters/properties/rewards/variants/1/properties/deep", R"({"type":"variants","variants":[{"name":"x"}]})",
            "may not hold variants");
        row("/parameters/properties/rewards/default", R"([{"type":"lenght"}])", "Did you mean \"length\"");
    }
    void refusesBadManifests() {
        QFETCH(QByteArray, pointer);
        QFETCH(QByteArray, value);
        QFETCH(QByteArray, says);
        Json json = *parseJson(kManifest, "manifest");
        json[Json::json_pointer(pointer.toStdString())] = *parseJson(value.toStdString(), "value");
        const auto result = Manifest::fromJson(json, "/plugins/x");
        PL_REFUSED(result, says.toStdString());
        PL_REFUSED(result, "/plugins/x/manifest.json");
    }

    void anEmptyFileAndAListAreNoManifests() {
        TempDir dir;
        for (const char* text : {"", "[]", "null", "{", "{}"}) {
            dir.write("manifest.json", text);
            PL_REFUSED(Manifest::load(dir.path()), "manifest.json");
        }
    }

    void checksParameters_data() {
        QTest::addColumn<QByteArray>("given");
        QTest::addColumn<QByteArray>("says"); // empty: accepted
        const auto row = [](const char* given, const char* says) {
            QTest::newRow(given) << QByteArray(given) << QByteArray(says);
        };
        row("{}", "");
        row("null", "");
        row(R"({"beta":1,"steps":3.0,"loss":"ipo","bf16":true,"clip":null,"judge":"/m","note":""})", "");
        row(R"({"rewards":[]})", "");
        row(R"({"rewards":[{"type":"length","weight":-1},{"type":"length"},{"type":"model","path":"/m"}]})", "");
        row("[]", "must be an object");
        row(R"({"bet":1})", "Did you mean \"beta\"");
        row(R"({"zzzzzzzzzzzz":1})", "there is no parameter");
        row(R"({"beta":"0.1"})", "\"beta\": must be a number");
        row(R"({"beta":0})", "out of range");
        row(R"({"beta":11})", "at most 10");
        row(R"({"beta":null})", "must be a number");
        row(R"({"beta":"NaN"})", "must be a number");
        row(R"({"clip":0})", "above 0");
        row(R"({"steps":2.5})", "whole number");
        row(R"({"steps":0})", "at least 1");
        row(R"({"steps":1e300})", "out of range");
        row(R"({"steps":18446744073709551615})", "out of range");
        row(R"({"steps":true})", "must be a number");
        row(R"({"loss":"sigmod"})", "Did you mean \"sigmoid\"");
        row(R"({"loss":1})", "must be a string");
        row(R"({"bf16":1})", "true or false");
        row(R"({"judge":7})", "must be a string");
        row(R"({"note":"a\u0000b"})", "NUL");
        row(R"({"rewards":{}})", "must be a list");
        row(R"({"rewards":[1]})", "entry 1");
        row(R"({"rewards":[{"weight":1}]})", "\"type\" is missing");
        row(R"({"rewards":[{"type":"nothing"}]})", "no choice \"nothing\"");
        row(R"({"rewards":[{"type":"length"},{"type":"length","weigth":1}]})", "entry 2: there is no parameter");
        row(R"({"rewards":[{"type":"length","weight":11}]})", "out of range");
    }
    void checksParameters() {
        QFETCH(QByteArray, given);
        QFETCH(QByteArray, says);
        const auto result = manifest().effectiveParameters(*parseJson(given.toStdString(), "given"));
        if (says.isEmpty())
            PL_GOOD(result);
        else
            PL_REFUSED(result, says.toStdString());
    }

    void fillsInDefaultsInCanonicalTypes() {
        const Manifest m = manifest();
        const auto defaults = m.effectiveParameters(Json::object());
        PL_GOOD(defaults);
        QCOMPARE(dumpJson(*defaults),
                 std::string(R"({"beta":0.1,"bf16":false,"clip":null,"judge":"","loss":"sigmoid","note":"x",)"
                             R"("rewards":[{"target":20,"type":"length","weight":1.0}],"steps":200})"));
        const auto a = m.effectiveParameters(*parseJson(R"({"beta":1,"steps":3.0})", "x"));
        const auto b = m.effectiveParameters(*parseJson(R"({"beta":1.0,"steps":3})", "x"));
        QCOMPARE(dumpJson(*a), dumpJson(*b));
        QCOMPARE(dumpJson(*m.effectiveParameters(*a)), dumpJson(*a));
    }

    void readsAssignments() {
        const Manifest m = manifest();
        Json values;
        for (const char* text : {"steps=20", "beta=5e-1", "loss=ipo", "bf16=ON", "clip=none", "note=a=b",
                                 R"(rewards=[{"type":"model","path":"/m"}])"})
            PL_GOOD(m.setFromText(values, text));
        QCOMPARE(dumpJson(values),
                 std::string(R"({"beta":0.5,"bf16":true,"clip":null,"loss":"ipo","note":"a=b",)"
                             R"("rewards":[{"path":"/m","type":"model"}],"steps":20})"));
        PL_REFUSED(m.setFromText(values, "steps"), "name=value");
        PL_REFUSED(m.setFromText(values, "=3"), "name=value");
        PL_REFUSED(m.setFromText(values, "step=3"), "Did you mean \"steps\"");
        PL_REFUSED(m.setFromText(values, "steps=3x"), "not a number");
        PL_REFUSED(m.setFromText(values, "steps="), "not a number");
        PL_REFUSED(m.setFromText(values, "steps=0"), "out of range");
        PL_REFUSED(m.setFromText(values, "beta=nan"), "finite");
        PL_REFUSED(m.setFromText(values, "beta=none"), "must be a number");
        PL_REFUSED(m.setFromText(values, "bf16=maybe"), "neither true nor false");
        PL_REFUSED(m.setFromText(values, "rewards=[{"), "not valid JSON");
    }

    void hidesWhatDoesNotApply() {
        const Manifest m = manifest();
        const Parameter& beta = *m.parameter("beta");
        QVERIFY(Manifest::isVisible(beta, {{"loss", "ipo"}}));
        QVERIFY(!Manifest::isVisible(beta, {{"loss", "hinge"}}));
        QVERIFY(!Manifest::isVisible(beta, Json()));
        QVERIFY(Manifest::isVisible(*m.parameter("loss"), Json()));
    }

    void findsPluginsAndReportsProblems() {
        TempDir dir;
        for (const char* name : {"one/dpo", "one/broken", "one/empty", "two/dpo"})
            PL_GOOD(os::makeDirs(dir.path(name)));
        dir.write("one/dpo/manifest.json", kManifest);
        dir.write("one/broken/manifest.json", "{");
        Json second = *parseJson(kManifest, "m");
        second["version"] = "9.9.9";
        dir.write("two/dpo/manifest.json", dumpJson(second));
        const PluginCatalog catalog = findPlugins({dir.path("none"), dir.path("one"), dir.path("two")});
        QCOMPARE(catalog.plugins.size(), size_t(1));
        QCOMPARE(catalog.find("dpo")->version, std::string("1.0.0"));
        QCOMPARE(catalog.find("dpo")->dir, dir.path("one/dpo"));
        QVERIFY(!catalog.find("grpo"));
        QCOMPARE(catalog.problems.size(), size_t(1));
        QVERIFY(catalog.problems[0].find("one/broken/manifest.json") != std::string::npos);
        qputenv("PAIRLAB_PLUGIN_PATH", "/a::/b");
        QCOMPARE(defaultPluginFolders()[1], std::string("/b"));
    }
};

QTEST_GUILESS_MAIN(TestManifest)
#include "tst_manifest.moc"
