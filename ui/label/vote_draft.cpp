// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/label/vote_draft.h"

#include <algorithm>
#include <utility>

#include "ui/shell/context.h"

namespace pl::ui {
using namespace Qt::StringLiterals;
using Kind = DraftPart::Kind;

namespace {

constexpr int kMostParts = 40;
constexpr qsizetype kMostChips = 9;
constexpr int kTop = 4;

QString partName(const DraftPart& part) {
    switch (part.kind) {
    case Kind::Left: return u"%1 of A"_s.arg(part.name);
    case Kind::Right: return u"%1 of B"_s.arg(part.name);
    case Kind::Reasons: return u"reasons"_s;
    case Kind::Rationale: return u"rationale"_s;
    case Kind::Pair: break;
    }
    return part.name;
}

} // namespace

Json VoteForm::helpSteer() {
    Json out = Json::array();
    for (const char* name : {"helpfulness", "correctness", "coherence", "complexity", "verbosity"})
        out.push_back({{"name", name}, {"of", "answer"}, {"top", kTop}});
    return out;
}

Result<Json> VoteForm::fromLines(const QString& lines) {
    Json out = Json::array();
    int number = 0;
    bool reasons = false;
    for (const QString& raw : lines.split(u'\n')) {
        ++number;
        const QString line = raw.trimmed();
        const auto bad = [&](const QString& why) {
            return fail(Code::InvalidInput, sstr(u"Line %1 of what is asked for, “%2”: %3"_s.arg(number).arg(line, why)),
                        "Write “helpfulness”, “helpfulness 0-5”, “pair: clearer” or “reasons: clearer, shorter”.");
        };
        if (line.isEmpty())
            continue;
        if (out.size() >= kMostParts / 2)
            return bad(u"more than %1 lines"_s.arg(kMostParts / 2));
        if (line.startsWith(u"reasons:"_s)) {
            Json chips = Json::array();
            for (const QString& chip : line.mid(8).split(u','))
                if (!chip.trimmed().isEmpty())
                    chips.push_back(sstr(chip.trimmed()));
            if (chips.empty() || chips.size() > static_cast<size_t>(kMostChips))
                return bad(u"reasons are 1 to %1 words or phrases with commas between them"_s.arg(kMostChips));
            if (std::exchange(reasons, true))
                return bad(u"there are reasons already"_s);
            out.push_back({{"reasons", chips}});
            continue;
        }
        QString name = line;
        Json part = {{"of", "answer"}, {"top", kTop}};
        if (line.startsWith(u"pair:"_s)) {
            part = {{"of", "pair"}};
            name = line.mid(5).trimmed();
        } else if (const auto space = line.lastIndexOf(u' '); space > 0 && line.mid(space + 1).startsWith(u"0-"_s)) {
            bool whole = false;
            const int top = line.mid(space + 3).toInt(&whole);
            if (!whole || top < 1 || top > 9)
                return bad(u"the range is 0-1 to 0-9"_s);
            part["top"] = top;
            name = line.left(space).trimmed();
        }
        if (name.isEmpty())
            return bad(u"it has no name"_s);
        for (const Json& other : out)
            if (other.value("name", std::string()) == sstr(name))
                return bad(u"the name is there already"_s);
        part["name"] = sstr(name);
        out.push_back(std::move(part));
    }
    return out;
}

QString VoteForm::toLines(const Json& attributes) {
    QStringList lines;
    if (attributes.is_array())
        for (const Json& each : attributes) {
            if (each.is_string()) {
                lines.append(qstr(each.get<std::string>()));
            } else if (each.is_object() && each.contains("reasons") && each["reasons"].is_array()) {
                QStringList chips;
                for (const Json& chip : each["reasons"])
                    if (chip.is_string())
                        chips.append(qstr(chip.get<std::string>()));
                lines.append(u"reasons: "_s + chips.join(u", "_s));
            } else if (each.is_object() && each.contains("name") && each["name"].is_string()) {
                const QString name = qstr(each["name"].get<std::string>());
                const Json top = each.value("top", Json(kTop));
                if (each.value("of", Json("answer")) == "pair")
                    lines.append(u"pair: "_s + name);
                else
                    lines.append(top == kTop || !top.is_number_integer() ? name : u"%1 0-%2"_s.arg(name).arg(top.get<int64_t>()));
            }
        }
    return lines.join(u'\n');
}

VoteForm VoteForm::of(const desk::Task& task) {
    VoteForm form;
    QList<DraftPart> left, right, reasons;
    if (task.attributes.is_array())
        for (const Json& each : task.attributes) {
            DraftPart part;
            if (each.is_string()) {
                part.kind = Kind::Left;
                part.name = qstr(each.get<std::string>());
            } else if (each.is_object() && each.contains("reasons") && each["reasons"].is_array()) {
                part.kind = Kind::Reasons;
                part.required = false;
                for (const Json& chip : each["reasons"])
                    if (chip.is_string() && part.chips.size() < kMostChips)
                        part.chips.append(qstr(chip.get<std::string>()));
                if (!part.chips.isEmpty() && reasons.isEmpty())
                    reasons.append(part);
                continue;
            } else if (each.is_object() && each.contains("name") && each["name"].is_string()) {
                part.name = qstr(each["name"].get<std::string>());
                part.kind = each.value("of", Json("answer")) == "pair" ? Kind::Pair : Kind::Left;
                const Json top = each.value("top", Json(kTop));
                if (!top.is_number_integer() || top.get<int64_t>() < 1 || top.get<int64_t>() > 9)
                    continue;
                part.top = top.get<int>();
            }
            if (part.name.isEmpty() || form.parts.size() + left.size() + right.size() >= kMostParts)
                continue;
            if (part.kind == Kind::Pair) {
                form.parts.append(part);
            } else {
                left.append(part);
                part.kind = Kind::Right;
                right.append(part);
            }
        }
    form.parts += left + right + reasons;
    for (const std::string& wanted : task.requiredParts) {
        if (wanted == "confirm")
            form.confirm = true;
        if (wanted == "rationale" || wanted == "rationale?") {
            DraftPart part;
            part.kind = Kind::Rationale;
            part.required = wanted == "rationale";
            form.parts.append(part);
        }
    }
    return form;
}

bool VoteDraft::given(int part) const {
    return m_form.parts[part].kind == Kind::Rationale ? !m_rationale.trimmed().isEmpty() : m_values[part] >= 0;
}

QStringList VoteDraft::missing() const {
    QStringList out;
    for (int i = 0; i < m_form.parts.size(); ++i)
        if (m_form.parts[i].required && !given(i))
            out.append(partName(m_form.parts[i]));
    return out;
}

VoteDraft::Step VoteDraft::begin() const {
    if (m_form.isEmpty())
        return Step::Done;
    return !m_form.parts.isEmpty() && m_form.parts[0].kind == Kind::Rationale && m_form.parts[0].required ? Step::Text : Step::Stays;
}

VoteDraft::Step VoteDraft::next() {
    ++m_current;
    if (m_current < m_form.parts.size()) {
        const DraftPart& part = m_form.parts[m_current];
        // A text that is only offered does not stop the hand: the key in the strip opens it.
        return part.kind == Kind::Rationale && part.required ? Step::Text : Step::Stays;
    }
    return m_form.confirm || !missing().isEmpty() ? Step::Stays : Step::Done;
}

VoteDraft::Step VoteDraft::key(int key) {
    const bool open = m_current < m_form.parts.size();
    switch (key) {
    case Qt::Key_Escape: return Step::Cancelled;
    case Qt::Key_Return:
    case Qt::Key_Enter: {
        if (open && !m_form.parts[m_current].required) {
            // An optional part is left as it is; what comes after it is still asked for.
            const Step step = next();
            return step == Step::Stays && m_current >= m_form.parts.size() && missing().isEmpty() ? Step::Done : step;
        }
        return missing().isEmpty() ? Step::Done : Step::Missing;
    }
    case Qt::Key_Backspace:
        if (m_current == 0)
            return Step::Stays;
        --m_current;
        return Step::Stays;
    default: break;
    }
    if (!open)
        return Step::Ignored;
    const DraftPart& part = m_form.parts[m_current];
    if (part.kind == Kind::Rationale)
        return key == Qt::Key_R ? Step::Text : Step::Ignored;
    if (key < Qt::Key_0 || key > Qt::Key_9)
        return Step::Ignored;
    const int digit = key - Qt::Key_0;
    switch (part.kind) {
    case Kind::Reasons:
        if (digit < 1 || digit > part.chips.size())
            return Step::Stays;
        m_values[m_current] = std::max(0, m_values[m_current]) ^ (1 << (digit - 1));
        return Step::Stays;
    case Kind::Pair:
        if (digit < 1 || digit > 3)
            return Step::Stays;
        break;
    default:
        if (digit > part.top)
            return Step::Stays;
    }
    m_values[m_current] = digit;
    return next();
}

VoteDraft::Step VoteDraft::leaveText(bool finish) {
    if (!finish)
        return Step::Stays;
    if (m_current < m_form.parts.size() && m_form.parts[m_current].kind == Kind::Rationale)
        ++m_current;
    return missing().isEmpty() ? Step::Done : Step::Missing;
}

void VoteDraft::fill(desk::Judgement& judgement, bool aOnLeft) const {
    for (int i = 0; i < m_form.parts.size(); ++i) {
        const DraftPart& part = m_form.parts[i];
        const int value = m_values[i];
        if (part.kind != Kind::Rationale && value < 0)
            continue;
        const std::string name = sstr(part.name);
        switch (part.kind) {
        case Kind::Pair: judgement.attributes["pair"][name] = value == 2 ? "tie" : (value == 1) == aOnLeft ? "a" : "b"; break;
        case Kind::Left: judgement.attributes[aOnLeft ? "a" : "b"][name] = value; break;
        case Kind::Right: judgement.attributes[aOnLeft ? "b" : "a"][name] = value; break;
        case Kind::Reasons:
            for (int chip = 0; chip < part.chips.size(); ++chip)
                if (value & (1 << chip))
                    judgement.reasons.push_back(sstr(part.chips[chip]));
            break;
        case Kind::Rationale: judgement.rationale = sstr(m_rationale.trimmed()); break;
        }
    }
}

QString VoteDraft::question() const {
    if (m_current >= m_form.parts.size())
        return missing().isEmpty() ? u"Enter gives the vote"_s : u"still asked for: %1"_s.arg(missing().join(u", "_s));
    const DraftPart& part = m_form.parts[m_current];
    switch (part.kind) {
    case Kind::Pair: return u"%1: which one?"_s.arg(part.name);
    case Kind::Left:
    case Kind::Right: return u"%1, 0 to %2"_s.arg(partName(part)).arg(part.top);
    case Kind::Reasons: return u"Why? Any of them, then Enter"_s;
    case Kind::Rationale: break;
    }
    return part.required ? u"In a sentence or two: why?"_s : u"R adds a reason in words, Enter goes without"_s;
}

QString VoteDraft::summary() const {
    QStringList pair, left, right;
    for (int i = 0; i < m_form.parts.size(); ++i) {
        const int value = m_values[i];
        const QString digit = value < 0 ? u"–"_s : QString::number(value);
        switch (m_form.parts[i].kind) {
        case Kind::Pair: pair.append(value < 0 ? u"–"_s : value == 1 ? u"A"_s : value == 2 ? u"="_s : u"B"_s); break;
        case Kind::Left: left.append(digit); break;
        case Kind::Right: right.append(digit); break;
        default: break;
        }
    }
    QStringList out;
    if (!pair.isEmpty())
        out.append(pair.join(u' '));
    if (!left.isEmpty())
        out.append(u"A "_s + left.join(u' ') + u"   B "_s + right.join(u' '));
    return out.join(u"   "_s);
}

QList<KeyHint> VoteDraft::hints() const {
    QList<KeyHint> out;
    if (m_current < m_form.parts.size()) {
        const DraftPart& part = m_form.parts[m_current];
        switch (part.kind) {
        case Kind::Pair:
            out = {{u"1"_s, u"A"_s, 0, 1, Qt::Key_1}, {u"2"_s, u"tie"_s, 0, 0, Qt::Key_2}, {u"3"_s, u"B"_s, 0, 2, Qt::Key_3}};
            break;
        case Kind::Left:
        case Kind::Right:
            for (int digit = 0; digit <= part.top; ++digit)
                out.append({QString::number(digit), digit == 0 ? u"least"_s : digit == part.top ? u"most"_s : QString(), 0,
                            part.kind == Kind::Left ? 1 : 2, Qt::Key_0 + digit});
            break;
        case Kind::Reasons:
            for (int chip = 0; chip < part.chips.size(); ++chip)
                out.append({QString::number(chip + 1),
                            (m_values[m_current] >= 0 && m_values[m_current] & (1 << chip) ? u"✓ "_s : QString()) + part.chips[chip], 0, 0,
                            Qt::Key_1 + chip});
            break;
        case Kind::Rationale: out.append({u"R"_s, u"write why"_s, 0, 0, Qt::Key_R}); break;
        }
    }
    out.append({u"Enter"_s, u"give the vote"_s, 1, 0, Qt::Key_Return});
    if (m_current > 0)
        out.append({u"Backspace"_s, u"one back"_s, 1, 0, Qt::Key_Backspace});
    out.append({u"Esc"_s, u"no vote"_s, 1, 0, Qt::Key_Escape});
    return out;
}

} // namespace pl::ui
