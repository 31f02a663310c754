// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/code_tokens.h"

#include <QSet>

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {

const QSet<QString>& cWords() {
    static const QSet<QString> words{
        u"auto"_s, u"bool"_s, u"break"_s, u"case"_s, u"catch"_s, u"char"_s, u"class"_s, u"const"_s, u"constexpr"_s, u"continue"_s,
        u"default"_s, u"delete"_s, u"do"_s, u"double"_s, u"else"_s, u"enum"_s, u"export"_s, u"extends"_s, u"false"_s, u"final"_s,
        u"float"_s, u"fn"_s, u"for"_s, u"func"_s, u"function"_s, u"if"_s, u"implements"_s, u"import"_s, u"in"_s, u"int"_s,
        u"interface"_s, u"let"_s, u"long"_s, u"match"_s, u"mut"_s, u"namespace"_s, u"new"_s, u"null"_s, u"nullptr"_s, u"package"_s,
        u"private"_s, u"protected"_s, u"pub"_s, u"public"_s, u"return"_s, u"self"_s, u"static"_s, u"struct"_s, u"super"_s, u"switch"_s,
        u"template"_s, u"this"_s, u"throw"_s, u"true"_s, u"try"_s, u"type"_s, u"typename"_s, u"undefined"_s, u"unsigned"_s, u"use"_s,
        u"using"_s, u"var"_s, u"virtual"_s, u"void"_s, u"while"_s, u"async"_s, u"await"_s, u"impl"_s, u"trait"_s, u"go"_s, u"defer"_s};
    return words;
}
const QSet<QString>& pythonWords() {
    static const QSet<QString> words{
        u"and"_s, u"as"_s, u"assert"_s, u"async"_s, u"await"_s, u"break"_s, u"class"_s, u"continue"_s, u"def"_s, u"del"_s, u"elif"_s,
        u"else"_s, u"except"_s, u"False"_s, u"finally"_s, u"for"_s, u"from"_s, u"global"_s, u"if"_s, u"import"_s, u"in"_s, u"is"_s,
        u"lambda"_s, u"None"_s, u"nonlocal"_s, u"not"_s, u"or"_s, u"pass"_s, u"raise"_s, u"return"_s, u"True"_s, u"try"_s, u"while"_s,
        u"with"_s, u"yield"_s};
    return words;
}
const QSet<QString>& shellWords() {
    static const QSet<QString> words{u"case"_s, u"do"_s, u"done"_s, u"elif"_s, u"else"_s, u"esac"_s, u"exit"_s, u"export"_s, u"fi"_s,
                                     u"for"_s, u"function"_s, u"if"_s, u"in"_s, u"local"_s, u"return"_s, u"then"_s, u"until"_s,
                                     u"while"_s};
    return words;
}
const QSet<QString>& sqlWords() {
    static const QSet<QString> words{
        u"and"_s, u"as"_s, u"by"_s, u"case"_s, u"create"_s, u"delete"_s, u"desc"_s, u"distinct"_s, u"drop"_s, u"else"_s, u"end"_s,
        u"exists"_s, u"from"_s, u"group"_s, u"having"_s, u"in"_s, u"index"_s, u"inner"_s, u"insert"_s, u"into"_s, u"is"_s, u"join"_s,
        u"left"_s, u"limit"_s, u"not"_s, u"null"_s, u"on"_s, u"or"_s, u"order"_s, u"select"_s, u"set"_s, u"table"_s, u"then"_s,
        u"union"_s, u"update"_s, u"values"_s, u"when"_s, u"where"_s, u"with"_s};
    return words;
}

bool startsWord(QChar c) {
    return c.isLetter() || c == u'_' || c == u'$';
}

} // namespace

CodeTokens::CodeTokens(const QString& language) {
    const QString name = language.trimmed().section(u' ', 0, 0).toLower();
    static const QSet<QString> c{u"c"_s, u"c++"_s, u"cpp"_s, u"h"_s, u"hpp"_s, u"cs"_s, u"csharp"_s, u"java"_s, u"js"_s, u"jsx"_s,
                                 u"javascript"_s, u"ts"_s, u"tsx"_s, u"typescript"_s, u"go"_s, u"rust"_s, u"rs"_s, u"kotlin"_s,
                                 u"swift"_s, u"php"_s, u"scala"_s, u"dart"_s};
    static const QSet<QString> shell{u"sh"_s, u"bash"_s, u"shell"_s, u"zsh"_s, u"console"_s};
    static const QSet<QString> markup{u"html"_s, u"xml"_s, u"svg"_s};
    m_family = c.contains(name)                                                       ? Family::C
               : name == u"py" || name == u"python" || name == u"python3"             ? Family::Python
               : shell.contains(name)                                                 ? Family::Shell
               : name == u"sql"                                                       ? Family::Sql
               : name == u"json"                                                      ? Family::Json
               : markup.contains(name)                                                ? Family::Markup
                                                                                      : Family::Other;
}

bool CodeTokens::isKeyword(const QString& word) const {
    switch (m_family) {
    case Family::C: return cWords().contains(word);
    case Family::Python: return pythonWords().contains(word);
    case Family::Shell: return shellWords().contains(word);
    case Family::Sql: return sqlWords().contains(word.toLower());
    case Family::Json: return word == u"true" || word == u"false" || word == u"null";
    default: return false;
    }
}

std::vector<CodeSpan> CodeTokens::line(const QString& text) {
    std::vector<CodeSpan> out;
    const qsizetype size = text.size();
    qsizetype i = 0;
    const auto add = [&](qsizetype begin, qsizetype end, CodeToken token) {
        if (end > begin)
            out.push_back({begin, end - begin, token});
    };
    /// From `begin` to behind `close`, or to the end of the line and on.
    const auto until = [&](qsizetype begin, qsizetype from, const QString& close, CodeToken token) {
        const qsizetype at = text.indexOf(close, from);
        m_open = at < 0 ? close : QString();
        m_openToken = token;
        i = at < 0 ? size : at + close.size();
        add(begin, i, token);
    };
    if (!m_open.isEmpty())
        until(0, 0, QString(m_open), m_openToken);
    const auto at = [&](QStringView what) { return QStringView(text).mid(i).startsWith(what); };
    while (i < size) {
        const QChar c = text[i];
        const bool hash = m_family == Family::Python || m_family == Family::Shell || m_family == Family::Other;
        const bool slashes = m_family == Family::C || m_family == Family::Other;
        if ((hash && c == u'#' && (i == 0 || text[i - 1].isSpace() || m_family == Family::Python)) ||
            (slashes && at(u"//") && (i == 0 || text[i - 1] != u':')) || (m_family == Family::Sql && at(u"--"))) {
            add(i, size, CodeToken::Comment);
            break;
        }
        if ((slashes || m_family == Family::Sql) && at(u"/*")) {
            until(i, i + 2, u"*/"_s, CodeToken::Comment);
            continue;
        }
        if (m_family == Family::Markup && at(u"<!--")) {
            until(i, i + 4, u"-->"_s, CodeToken::Comment);
            continue;
        }
        if (m_family == Family::Python && (at(u"\"\"\"") || at(u"'''"))) {
            until(i, i + 3, QString(3, c), CodeToken::String);
            continue;
        }
        // An apostrophe inside a word is none that opens a string.
        if (c == u'"' || (c == u'`' && m_family == Family::C) || (c == u'\'' && (i == 0 || !text[i - 1].isLetterOrNumber()))) {
            const qsizetype begin = i++;
            while (i < size && text[i] != c)
                i += text[i] == u'\\' ? 2 : 1;
            i = std::min(i + 1, size);
            add(begin, i, CodeToken::String);
            continue;
        }
        if (c.isDigit() && (i == 0 || !(text[i - 1].isLetterOrNumber() || text[i - 1] == u'_'))) {
            const qsizetype begin = i;
            while (i < size && (text[i].isLetterOrNumber() || text[i] == u'.' || text[i] == u'_'))
                ++i;
            add(begin, i, CodeToken::Number);
            continue;
        }
        if (startsWord(c)) {
            const qsizetype begin = i;
            while (i < size && (startsWord(text[i]) || text[i].isDigit()))
                ++i;
            if (isKeyword(text.mid(begin, i - begin)))
                add(begin, i, CodeToken::Keyword);
            continue;
        }
        ++i;
    }
    return out;
}

} // namespace pl::ui
