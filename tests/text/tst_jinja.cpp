// SPDX-License-Identifier: Apache-2.0
#include <QElapsedTimer>
#include <QTest>

#include "core/base/json.h"
#include "core/text/jinja/template.h"

using namespace pl;
using namespace pl::text;
using namespace pl::text::jinja;

namespace {

const Json& golden() {
    // Keys of objects come sorted here; those of the fixture are in that order.
    static const Json file = *readJsonFile(PAIRLAB_SOURCE_DIR "/tests/golden/chat/templates.json");
    return file;
}

Value valueOf(const Json& json) {
    if (json.is_null())
        return Value::none();
    if (json.is_boolean())
        return Value::of(json.get<bool>());
    if (json.is_number_integer())
        return Value::of(json.get<int64_t>());
    if (json.is_number())
        return Value{json.get<double>()};
    if (json.is_string())
        return Value::of(json.get<std::string>());
    if (json.is_array()) {
        List list;
        for (const Json& item : json)
            list.items.push_back(valueOf(item));
        return Value::of(std::move(list));
    }
    Dict dict;
    for (const auto& [key, value] : json.items())
        dict.set(key, valueOf(value));
    return Value::of(std::move(dict));
}

Dict variables() {
    Dict out;
    for (const auto& [key, value] : golden()["values"].items())
        out.set(key, valueOf(value));
    return out;
}

Result<std::string> rendered(const std::string& source, Budget budget = {}) {
    PL_TRY(const Template parsed, Template::parse(source));
    PL_TRY(const MarkedText text, parsed.render(variables(), {}, budget));
    return text.text;
}

} // namespace

class TestJinja : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void snippetsEqualJinja_data() {
        QTest::addColumn<int>("row");
        for (size_t i = 0; i < golden()["snippets"].size(); ++i)
            QTest::newRow(std::to_string(i).c_str()) << int(i);
        QVERIFY(golden()["snippets"].size() > 40);
    }
    void snippetsEqualJinja() {
        QFETCH(int, row);
        const Json& snippet = golden()["snippets"][size_t(row)];
        const auto text = rendered(snippet["template"].get<std::string>());
        QVERIFY2(text, text ? "" : (text.error().toString() + snippet["template"].dump()).c_str());
        QCOMPARE(QString::fromStdString(*text), QString::fromStdString(snippet["text"].get<std::string>()));
    }
    void failsWhereJinjaFails() {
        for (const Json& item : golden()["failing"]) {
            const auto text = rendered(item.get<std::string>());
            QVERIFY2(!text, item.dump().c_str());
            QCOMPARE(text.error().code, Code::InvalidInput);
            QVERIFY2(text.error().message.rfind("line 1: ", 0) == 0, text.error().message.c_str());
        }
        const auto raised = rendered("\n\n{{ raise_exception('told so') }}");
        QCOMPARE(raised.error().message, std::string("line 3: told so"));
    }
    void refusesWhatItLacksWhenItIsLoaded_data() {
        QTest::addColumn<QByteArray>("source");
        QTest::addColumn<QByteArray>("says");
        const auto row = [](const char* source, const char* says) { QTest::newRow(source) << QByteArray(source) << QByteArray(says); };
        row("a\n{% include 'x' %}", "line 2: the statement {% include %} is not supported");
        row("{% import 'x' as y %}", "line 1: the statement {% import %}");
        row("{% extends 'x' %}", "the statement {% extends %}");
        row("{% block x %}{% endblock %}", "the statement {% block %}");
        row("{% call f() %}{% endcall %}", "the statement {% call %}");
        row("{% filter upper %}a{% endfilter %}", "the statement {% filter %}");
        row("{% with a = 1 %}{% endwith %}", "the statement {% with %}");
        row("{% do f() %}", "the statement {% do %}");
        row("{% autoescape true %}{% endautoescape %}", "the statement {% autoescape %}");
        row("\n\n{{ x|escape }}", "line 3: the filter |escape is not supported");
        row("{{ x|attr('y') }}", "the filter |attr");
        row("{{ x|map('pprint') }}", "the filter 'pprint' in |map");
        row("{{ x|select('filter') }}", "the test 'filter' in |select");
        row("{{ x|selectattr('a', name) }}", "|selectattr with a computed name");
        row("{{ x is escaped }}", "the test 'is escaped'");
        row("{{ x.format(1) }}", "the method .format()");
        row("{{ x.__class__() }}", "the method .__class__()");
        row("{{ x.append(1) }}", "the method .append()");
        row("{{ cycler(1, 2) }}", "the function cycler()");
        row("{{ x.y.z()() }}", "the method .z()");
        row("{{ 'a'.upper()() }}", "calling what is no function");
        row("{{ f(*x) }}", "the function f()");
        row("{{ range(*x) }}", "handing on arguments with *");
        row("{{ 2 ** 3 }}", "the operator **");
        row("{% for x in y recursive %}{% endfor %}", "a recursive loop");
        row("{% set x | upper %}a{% endset %}", "a filter on {% set %}");
        row("{{ '\\N{DASH}' }}", "the escape \\N");
    }
    void refusesWhatItLacksWhenItIsLoaded() {
        QFETCH(QByteArray, source);
        QFETCH(QByteArray, says);
        const auto parsed = Template::parse(source.toStdString());
        QVERIFY(!parsed);
        QVERIFY2(parsed.error().message.find(says.toStdString()) != std::string::npos, parsed.error().message.c_str());
        QCOMPARE(parsed.error().code, Code::Unsupported);
    }
    void refusesBrokenTemplates_data() {
        QTest::addColumn<QByteArray>("source");
        QTest::addColumn<QByteArray>("says");
        const auto row = [](const QByteArray& source, const char* says) {
            QTest::newRow(source.left(60).constData()) << source << QByteArray(says);
        };
        row("{{", "line 1: a tag {{ has no end }}");
        row("\n{% if x", "line 2: a tag {% has no end %}");
        row("{# x", "a comment {# has no end #}");
        row("{% raw %}x", "{% raw %} has no {% endraw %}");
        row("{{ 'x }}", "a text in quotes has no end");
        row("{{ }}", "expected a value, found }}");
        row("{{ 1 + }}", "expected a value");
        row("{{ (1 }}", "unexpected '}'");
        row("{{ 1) }}", "unexpected ')'");
        row("{{ [1, }}", "unexpected '}'");
        row("{{ {1: 2 }}", "unexpected '}'"); // the first brace closes the dict
        row("{{ (1 2) }}", "expected ')', found '2'");
        row("{{ x[ ] }}", "expected a value between");
        row("{{ x. }}", "expected a name behind '.'");
        row("{{ x | }}", "expected a name");
        row("{{ a b }}", "expected }}, found 'b'");
        row("{{ x ? y }}", "unexpected character '?'");
        row("{{ 1a }}", "a number runs into a name");
        row("{{ 12345678901234567890 }}", "a number is too long");
        row("{{ '\\ud800' }}", "names no character");
        row("{{ '\\x4' }}", "2 hexadecimal digits");
        row("{% if %}{% endif %}", "expected a value");
        row("{% if x %}", "{% endif %} is missing");
        row("{% for x in y %}{% endif %}", "{% endif %} ends nothing");
        row("{% endfor %}", "ends nothing");
        row("{% else %}", "ends nothing");
        row("{% for in y %}{% endfor %}", "expected 'in'");
        row("{% for x y %}{% endfor %}", "expected 'in', found 'y'");
        row("{% set %}", "expected a name");
        row("{% set x.y %}{% endset %}", "expected '='");
        row("{% break %}", "outside of a loop");
        row("{% macro %}{% endmacro %}", "expected a name");
        row("{% macro f(a b) %}{% endmacro %}", "expected ','");
        row("{% %}", "expected a name");
        row("{{ f(a=1, 2) }}", "line 1");
        row("{{ range(a=1, 2) }}", "without a name behind one with a name");
        row("{{ " + QByteArray("(").repeated(5000) + "1" + QByteArray(")").repeated(5000) + " }}", "nested too deep");
        row("{{ " + QByteArray("not ").repeated(5000) + "1 }}", "nested too deep");
        row("{{ " + QByteArray("-").repeated(5000) + "1 }}", "nested too deep");
        row(QByteArray("{% if x %}").repeated(5000), "nested too deep");
        row("{{ 1" + QByteArray("+1").repeated(200000) + " }}", "too large");
        row(QByteArray(2 << 20, 'x'), "longer than");
    }
    void refusesBrokenTemplates() {
        QFETCH(QByteArray, source);
        QFETCH(QByteArray, says);
        const auto parsed = Template::parse(source.toStdString());
        QVERIFY(!parsed);
        QVERIFY2(parsed.error().message.find(says.toStdString()) != std::string::npos, parsed.error().message.c_str());
    }
    void doesBoundedWork_data() {
        QTest::addColumn<QByteArray>("source");
        const auto row = [](const char* source) { QTest::newRow(source) << QByteArray(source); };
        row("{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}");
        row("{{ range(1000000000) }}");
        row("{{ 'abc' * 1000000000 }}");
        row("{{ [1] * 1000000000 }}");
        row("{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}");
        row("{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}");
        row("{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}");
        row("{% set ns = namespace(s=[1]) %}{% for i in range(40) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s|tojson }}");
        row("{% set ns = namespace(s=[1]) %}{% for i in range(30) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s == [ns.s[0], ns.s[1]] }}");
        row("{% set ns = namespace(s=1) %}{% for i in range(99999) %}{% set ns.s = [ns.s] %}{% endfor %}");
        row("{% set ns = namespace(s=1) %}{% for i in range(99999) %}{% set ns.s = namespace(s=ns.s) %}{% endfor %}");
        row("{% set x = 'a' * 1000000 %}{{ x.replace('a', x) }}");
        row("{% set x = 'a' * 1000000 %}{{ x|list|join(x) }}");
        row("{% set x = 'a' * 1000000 %}{% for i in range(99999) %}{{ x.split('b')|length }}{% endfor %}");
        row("{% set x = 'a' * 1000000 %}{% for i in range(99999) %}{% if 'b' in x %}y{% endif %}{% endfor %}");
        row("{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}");
        row("{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}");
        row("{{ 9999999999999999 * 9999999999999999 }}");
    }
    void doesBoundedWork() {
        QFETCH(QByteArray, source);
        QElapsedTimer timer;
        timer.start();
        const auto text = rendered(source.toStdString());
        QVERIFY(!text);
        QVERIFY2(timer.elapsed() < 30000, qPrintable(QString::number(timer.elapsed())));
        QVERIFY(!text.error().message.empty());
        const auto small = rendered("{{ number }}{% for i in range(50) %}{{ i }}{% endfor %}", Budget{20, 100});
        QVERIFY(!small);
    }
    void namespacesThatHoldEachOtherAreFreed() {
        // Leak checkers see it; without one it is only run.
        QCOMPARE(*rendered("{% set a = namespace() %}{% set a.b = namespace(c=a) %}{% macro m() %}x{% endmacro %}{{ m() }}"),
                 std::string("x"));
    }
    void contentIsNoKeyAndNoFormat() {
        Dict given;
        MarkedText x;
        x.append("<s>", true);
        given.set("x", Value::of(x));
        const auto run = [&](const char* source) { return Template::parse(source)->render(given); };
        QVERIFY(!run("{% for k in {x: 1} %}{{ k }}{% endfor %}"));
        QCOMPARE(run("{{ strftime_now(x) }}")->content, x.content);
        QVERIFY(!run("{{ x|tojson(2) }}"));
        QVERIFY(!run("{{ x|tojson(ensure_ascii=true) }}"));
    }
    void contentStaysMarked() {
        const auto parsed = Template::parse(
            "{% macro m(x) %}<{{ x }}>{% endmacro %}{% set c = x|trim %}{{ 'a' + c ~ '!' }}{{ m(c) }}{{ c.upper()[1:] }}{{ c.split(' ')[1] }}"
            "{{ [c, 'z']|join('-') }}{{ {'k': c}|tojson }}{{ c.replace('i', '--') }}{{ 'i-i'.replace('i', c) }}{{ c|list|join }}{{ 'a ' ~ c|title }}"
            "{% set b %}[{{ c }}]{% endset %}{{ b }}{{ c[::-1] }}");
        QVERIFY(parsed);
        Dict given;
        MarkedText x;
        x.append(" hi yo ", true);
        given.set("x", Value::of(x));
        const auto text = parsed->render(given);
        QVERIFY2(text, text ? "" : text.error().toString().c_str());
        std::string shown;
        size_t done = 0;
        for (const auto& span : text->content) {
            shown += text->text.substr(done, span.begin - done) + "«" + text->text.substr(span.begin, span.end - span.begin) + "»";
            done = span.end;
        }
        shown += text->text.substr(done);
        QCOMPARE(QString::fromStdString(shown),
                 QString("a«hi yo»!<«hi yo»>«I YOyohi yo»-z{\"k\": \"«hi yo»\"}«h»--« yohi yo»-«hi yohi yo»a «Hi Yo»[«hi yo»]«oy ih»"));
    }
};
QTEST_APPLESS_MAIN(TestJinja)
#include "tst_jinja.moc"
