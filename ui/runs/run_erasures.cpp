// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/runs/run_erasures.h"

#include "ui/theme/theme.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

RunErasures::RunErasures(Context& context, QObject* parent) : QObject(parent), m_context(context), m_line(new TextLabel({}, TextStyle::Caption, Tone::Warn)) {
    m_line->setWordWrap(true);
    m_line->setObjectName(u"run_erasure"_s);
    m_line->hide();
}

void RunErasures::look(const std::vector<desk::RunInfo>& runs) {
    struct Found {
        std::map<std::string, desk::RunErasure> lost;
        std::map<std::string, QString> unread;
    };
    std::vector<std::pair<std::string, std::string>> bundles;
    for (const desk::RunInfo& run : runs)
        bundles.emplace_back(run.name, run.dir);
    m_context.ask(
        this,
        [bundles](desk::Project&) {
            Found found;
            for (const auto& [name, dir] : bundles) {
                const auto lost = desk::erasureOf(dir);
                if (!lost)
                    found.unread[name] = errorText(lost.error());
                else if (lost->any())
                    found.lost[name] = *lost;
            }
            return found;
        },
        [this](Found found) {
            m_lost = std::move(found.lost);
            m_unread = std::move(found.unread);
            show(m_shown);
            Q_EMIT changed();
        });
}

QString RunErasures::textOf(const std::string& run) const {
    if (const auto at = m_unread.find(run); at != m_unread.end())
        return at->second;
    const auto at = m_lost.find(run);
    if (at == m_lost.end())
        return {};
    const QString said = u"This run "_s + qstr(at->second.toString()) + u'.';
    return at->second.rows > 0 ? said + u" A resume or a script for TRL trains on what is left."_s : said;
}

QVariant RunErasures::icon(const std::string& run) const {
    return textOf(run).isEmpty() ? QVariant() : QVariant(themeIcon(u"trash"_s, Tone::Warn));
}

QString RunErasures::tip(const std::string& run, const QString& title) const {
    const QString text = textOf(run);
    return text.isEmpty() ? title : title.isEmpty() ? text : title + u'\n' + text;
}

void RunErasures::show(const QString& run) {
    m_shown = run;
    const QString text = textOf(sstr(run));
    m_line->setText(text);
    m_line->setVisible(!text.isEmpty());
}

} // namespace pl::ui
