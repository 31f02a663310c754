// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/generate/server_card.h"

#include <QComboBox>
#include <QGridLayout>
#include <QLineEdit>
#include <QPushButton>
#include <QVBoxLayout>

#include "ui/shell/context.h"
#include "ui/theme/theme.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

ServerCard::ServerCard() : Card(u"Or ask a server"_s) {
    auto* grid = new QGridLayout;
    grid->setContentsMargins(0, 0, 0, 0);
    grid->setHorizontalSpacing(px(Size::GapM));
    grid->setVerticalSpacing(px(Size::GapS));
    grid->setColumnStretch(1, 1);
    grid->setColumnStretch(3, 1);
    const auto field = [&](int row, int column, const QString& label, const QString& name, const QString& hint, const QString& tip) {
        auto* edit = new QLineEdit;
        edit->setObjectName(name);
        edit->setAccessibleName(label);
        edit->setPlaceholderText(hint);
        edit->setToolTip(tip);
        grid->addWidget(new TextLabel(label, TextStyle::Body, Tone::Second), row, 2 * column);
        grid->addWidget(edit, row, 2 * column + 1);
        connect(edit, &QLineEdit::textChanged, this, &ServerCard::follow);
        return edit;
    };
    m_url = field(0, 0, u"Server"_s, u"server_url"_s, u"http://127.0.0.1:8000"_s, u"vLLM, llama.cpp, Ollama or another that speaks OpenAI's protocol"_s);
    m_model = field(0, 1, u"Model"_s, u"server_model"_s, u"as the server calls it"_s, u"The name the server knows the model by"_s);
    m_keyEnv = field(1, 0, u"Key from variable"_s, u"server_key_env"_s, u"none"_s,
                     u"Name of the environment variable that holds the key; the key itself is kept nowhere"_s);
    m_keyring = field(1, 1, u"or keyring"_s, u"server_keyring"_s, u"none"_s, u"The service whose key secret-tool finds in the system's keyring"_s);
    m_system = field(2, 0, u"System prompt"_s, u"server_system"_s, u"none"_s, u"Sent before every prompt"_s);
    m_endpoint = new QComboBox;
    m_endpoint->setObjectName(u"server_endpoint"_s);
    m_endpoint->setAccessibleName(u"Endpoint"_s);
    m_endpoint->addItem(u"chat"_s, u"chat"_s);
    m_endpoint->addItem(u"completions: plain text"_s, u"completions"_s);
    grid->addWidget(new TextLabel(u"Endpoint"_s, TextStyle::Body, Tone::Second), 2, 2);
    grid->addWidget(m_endpoint, 2, 3);
    body()->addLayout(grid);
    m_ask = new QuietButton(u"play"_s, u"Ask the server"_s);
    m_ask->setObjectName(u"server_ask"_s);
    connect(m_ask, &QPushButton::clicked, this, &ServerCard::asked);
    body()->addWidget(m_ask, 0, Qt::AlignLeft);
    follow();
}

desk::ServerRequest ServerCard::request() const {
    desk::ServerRequest r;
    const auto text = [](const QLineEdit* edit) { return sstr(edit->text().trimmed()); };
    r.url = text(m_url);
    r.model = text(m_model);
    r.parameters["endpoint"] = sstr(m_endpoint->currentData().toString());
    for (const auto& [name, edit] : {std::pair{"key_env", m_keyEnv}, {"keyring", m_keyring}, {"system", m_system}})
        if (!text(edit).empty())
            r.parameters[name] = text(edit);
    return r;
}

void ServerCard::follow() {
    const Status usable = desk::checkServer(request());
    m_ask->setEnabled(usable && !m_busy);
    m_ask->setToolTip(usable ? u"Prompts, answers a prompt, temperature and length are those of the sentence above"_s : errorText(usable.error()));
}

void ServerCard::setBusy(bool busy) {
    m_busy = busy;
    follow();
}

Json ServerCard::settings() const {
    const desk::ServerRequest r = request();
    if (!desk::checkServer(r)) // may hold what must not be kept
        return nullptr;
    Json out = r.parameters;
    out["url"] = r.url;
    out["model"] = r.model;
    return out;
}

void ServerCard::setSettings(const Json& settings) {
    if (!settings.is_object())
        return;
    for (const auto& [name, edit] :
         {std::pair{"url", m_url}, {"model", m_model}, {"key_env", m_keyEnv}, {"keyring", m_keyring}, {"system", m_system}})
        if (settings.contains(name) && settings[name].is_string() && edit->text().isEmpty())
            edit->setText(qstr(settings[name].get<std::string>()));
    if (settings.contains("endpoint") && settings["endpoint"].is_string())
        if (const int at = m_endpoint->findData(qstr(settings["endpoint"].get<std::string>())); at >= 0)
            m_endpoint->setCurrentIndex(at);
}

} // namespace pl::ui
