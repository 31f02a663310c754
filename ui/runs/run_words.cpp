// SPDX-License-Identifier: GPL-3.0-or-later
// What the pages say about a run in a word or a line; declared in runs_page.h.
#include "ui/runs/runs_page.h"

#include <QStringList>

namespace pl::ui {
using namespace Qt::StringLiterals;

State stateOf(const desk::RunInfo& info) {
    switch (info.state) {
    case RunState::Queued:
        return State::Queued;
    case RunState::Running:
        return info.stalled ? State::Warning : State::Running;
    case RunState::Paused:
        return State::Paused;
    case RunState::Finished:
        return State::Done;
    case RunState::Stopped:
        return State::Stopped;
    case RunState::Failed:
        return State::Failed;
    }
    return State::Neutral;
}

QString stateWord(const desk::RunInfo& info) {
    switch (info.state) {
    case RunState::Queued:
        return u"Queued"_s;
    case RunState::Running:
        return info.stalled ? u"Silent"_s : info.resident ? u"Ready"_s : u"Running"_s;
    case RunState::Paused:
        return info.preempted ? u"Waiting"_s : u"Paused"_s;
    case RunState::Finished:
        return u"Done"_s;
    case RunState::Stopped:
        return u"Stopped"_s;
    case RunState::Failed:
        return u"Failed"_s;
    }
    return {};
}

namespace {
QString shortValue(const Json& value) {
    if (value.is_string())
        return qstr(value.get<std::string>()).left(40);
    if (value.is_boolean())
        return value.get<bool>() ? u"on"_s : u"off"_s;
    if (value.is_number_float())
        return QString::number(value.get<double>(), 'g', 4);
    if (value.is_array()) {
        QStringList names;
        for (const Json& one : value)
            if (one.is_object())
                names.append(shortValue(one.value("type", Json("?"))));
        return names.isEmpty() ? u"%1 entries"_s.arg(value.size()) : names.join(u'+');
    }
    return qstr(dumpJson(value)).left(40);
}
} // namespace

QString changedParameters(const Manifest* manifest, const Json& parameters) {
    QStringList parts;
    if (!parameters.is_object())
        return {};
    for (const auto& [name, value] : parameters.items()) {
        const Parameter* parameter = manifest ? manifest->parameter(name) : nullptr;
        if (parameter && (parameter->defaultValue == value ||
                          (parameter->defaultValue.is_number() && value.is_number() &&
                           parameter->defaultValue.get<double>() == value.get<double>())))
            continue;
        parts.append(qstr(name) + u' ' + shortValue(value));
    }
    return parts.join(u" · "_s);
}

} // namespace pl::ui
