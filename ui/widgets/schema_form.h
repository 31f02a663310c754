// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <functional>
#include <memory>

#include <QList>
#include <QString>
#include <QWidget>

#include "core/base/json.h"
#include "core/base/manifest.h"

namespace pl::ui {

struct Choice {
    QString value; ///< what goes into the parameters ("run:42", "start", a dataset hash)
    QString label;
    QString detail;
};

/// A form made from a plugin's parameter schema: one row a property, basic ones first, the rest folded under "Advanced".
/// Every change is checked by Manifest::effectiveParameters, the validator that CLI and worker use too.
class SchemaForm : public QWidget {
    Q_OBJECT
public:
    explicit SchemaForm(const Manifest& manifest, QWidget* parent = nullptr);
    ~SchemaForm() override;

    /// What model_ref and dataset_ref rows offer. Call again when they change; a value no longer offered stays, marked.
    void setModelChoices(const QList<Choice>& choices);
    void setDatasetChoices(const QList<Choice>& choices);

    /// Only what differs from the defaults: what `--set` would be given.
    Json changedValues() const;
    /// Everything, defaults filled in (the effective parameters when the form is valid).
    Json values() const;
    /// Sets the named ones, the rest go to their defaults.
    void setValues(const Json& values);
    void resetAll();
    int changedCount() const;

    bool isValid() const;
    /// First error in words, empty when valid.
    QString error() const;
    /// The editor of a property (null when unknown), for tests and focus.
    QWidget* editor(const QString& name) const;
    bool isRowVisible(const QString& name) const;
    QString rowError(const QString& name) const;
    void setAdvancedOpen(bool open);

Q_SIGNALS:
    void changed();
    void validityChanged(bool valid);

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace pl::ui
