// SPDX-License-Identifier: GPL-3.0-or-later
// The Generate page's other source of answers: a server that speaks OpenAI's protocol.
#pragma once

#include "core/desk/runs/server.h"
#include "ui/widgets/tiles.h"

class QComboBox;
class QLineEdit;

namespace pl::ui {

class ServerCard : public Card {
    Q_OBJECT
public:
    ServerCard();
    /// Address, model, endpoint, system prompt and where the key is found; prompts and sampling are the sentence's.
    desk::ServerRequest request() const;
    /// What settings() gave; anything else is left as it is.
    void setSettings(const Json& settings);
    /// The fields, to be kept in the project. A key is none of them.
    Json settings() const;
    void setBusy(bool busy);

Q_SIGNALS:
    void asked();

private:
    void follow();
    QLineEdit *m_url, *m_model, *m_keyEnv, *m_keyring, *m_system;
    QComboBox* m_endpoint;
    QPushButton* m_ask;
    bool m_busy = false;
};

} // namespace pl::ui
