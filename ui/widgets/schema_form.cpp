// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/schema_editors.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

struct SchemaForm::Private {
    struct Row {
        Parameter parameter;
        Editor editor;
        QWidget* holder;
        LinkButton* revert;
        TextLabel* error;
        QString errorText;
    };
    SchemaForm* q;
    Manifest manifest;
    std::vector<Row> rows;
    LinkButton* fold;
    QWidget* advanced;
    TextLabel* formError;
    QString firstError;
    bool valid = true, setting = false, advancedOpen = false;
    int advancedCount = 0;

    Row* row(const std::string& name) {
        for (Row& r : rows)
            if (r.parameter.name == name)
                return &r;
        return nullptr;
    }

    bool isChanged(const Row& r) const { return r.editor.get() != normal(r.parameter, r.parameter.defaultValue); }

    /// 1 and 1.0 are the same number, and the default of a variant list is compared as the form would write it.
    static Json normal(const Parameter& p, const Json& value) {
        if (p.type == ParamType::Number && value.is_number())
            return value.get<double>();
        if (value.is_null() && (p.type == ParamType::Number || p.type == ParamType::Integer))
            return value;
        if (value.is_null() && p.type != ParamType::Variants)
            return std::string();
        if (value.is_null())
            return Json::array();
        return value;
    }

    Json all() const {
        Json out = Json::object();
        for (const Row& r : rows)
            out[r.parameter.name] = r.editor.get();
        return out;
    }

    void addRow(QVBoxLayout* column, const Parameter& p) {
        Row r;
        r.parameter = p;
        r.holder = new QWidget;
        auto* grid = new QGridLayout(r.holder);
        grid->setContentsMargins(0, 0, 0, 0);
        grid->setHorizontalSpacing(px(Size::GapM));
        grid->setVerticalSpacing(px(Size::Grid) / 2);
        grid->setColumnMinimumWidth(0, px(Size::FormLabel));
        grid->setColumnStretch(1, 1);
        grid->setColumnMinimumWidth(2, px(Size::GapXl));
        auto* label = new TextLabel(p.label.empty() ? qs(p.name) : qs(p.label));
        label->setWordWrap(true);
        label->setFixedWidth(px(Size::FormLabel));
        label->setToolTip(qs(p.name).toHtmlEscaped());
        r.editor = makeEditor(p, [this] { edited(); });
        label->setBuddy(r.editor.focus);
        r.editor.focus->setAccessibleName(label->text());
        r.editor.focus->setAccessibleDescription(qs(p.help));
        r.editor.focus->setObjectName(qs(p.name));
        r.revert = new LinkButton(u"default "_s + shortText(p.defaultValue));
        r.revert->setToolTip(u"Set back to the default"_s);
        QSizePolicy keep = r.revert->sizePolicy();
        keep.setRetainSizeWhenHidden(true);
        r.revert->setSizePolicy(keep);
        r.error = new TextLabel({}, TextStyle::Caption, Tone::Error);
        r.error->setWordWrap(true);
        r.error->hide();
        grid->addWidget(label, 0, 0, p.type == ParamType::Variants ? Qt::AlignTop : Qt::AlignVCenter);
        if (p.type == ParamType::Variants) { // its cards need the whole width
            grid->addWidget(r.editor.widget, 0, 1, 1, 2);
            grid->addWidget(r.revert, 3, 1, 1, 2, Qt::AlignLeft);
        } else {
            grid->addWidget(r.editor.widget, 0, 1);
            grid->addWidget(r.revert, 0, 2, Qt::AlignVCenter | Qt::AlignRight);
        }
        if (!p.help.empty()) {
            auto* help = new TextLabel(qs(p.help), TextStyle::Caption, Tone::Second);
            help->setWordWrap(true);
            grid->addWidget(help, 1, 1, 1, 2);
        }
        grid->addWidget(r.error, 2, 1, 1, 2);
        column->addWidget(r.holder);
        const std::string name = p.name;
        QObject::connect(r.revert, &QPushButton::clicked, q, [this, name] {
            Row* found = row(name);
            setting = true;
            found->editor.set(found->parameter.defaultValue);
            setting = false;
            edited();
            found->editor.focus->setFocus(Qt::OtherFocusReason);
        });
        rows.push_back(std::move(r));
    }

    void build() {
        auto* column = new QVBoxLayout(q);
        setNoMargins(column, Size::GapM);
        std::vector<const Parameter*> basic, rest;
        const bool marked = std::any_of(manifest.parameters.begin(), manifest.parameters.end(),
                                        [](const Parameter& p) { return p.basic; });
        constexpr size_t kMostBasic = 7;
        for (const Parameter& p : manifest.parameters) {
            const bool first = marked ? p.basic : !p.advanced;
            (first && basic.size() < kMostBasic ? basic : rest).push_back(&p);
        }
        for (const Parameter* p : basic)
            addRow(column, *p);
        advancedCount = static_cast<int>(rest.size());
        fold = new LinkButton({});
        fold->setVisible(!rest.empty());
        column->addWidget(fold, 0, Qt::AlignLeft);
        advanced = new QWidget;
        auto* inner = new QVBoxLayout(advanced);
        setNoMargins(inner, Size::GapM);
        std::vector<std::string> groups = manifest.groups;
        for (const Parameter* p : rest)
            if (std::find(groups.begin(), groups.end(), p->group) == groups.end())
                groups.push_back(p->group);
        for (const std::string& group : groups) {
            bool titled = false;
            for (const Parameter* p : rest) {
                if (p->group != group)
                    continue;
                if (!titled && !group.empty()) {
                    inner->addWidget(new TextLabel(qs(group), TextStyle::Strong));
                    titled = true;
                }
                addRow(inner, *p);
            }
        }
        column->addWidget(advanced);
        formError = new TextLabel({}, TextStyle::Caption, Tone::Error);
        formError->setWordWrap(true);
        formError->hide();
        column->addWidget(formError);
        column->addStretch(1);
        QObject::connect(fold, &QPushButton::clicked, q, [this] { q->setAdvancedOpen(!advancedOpen); });
        setting = true;
        for (Row& r : rows)
            r.editor.set(r.parameter.defaultValue);
        setting = false;
        q->setAdvancedOpen(false);
        check();
    }

    void edited() {
        if (setting)
            return;
        const bool was = valid;
        check();
        Q_EMIT q->changed();
        if (was != valid)
            Q_EMIT q->validityChanged(valid);
    }

    void check() {
        const Json now = all();
        firstError.clear();
        int changedHidden = 0;
        for (Row& r : rows) {
            const bool visible = Manifest::isVisible(r.parameter, now);
            r.holder->setVisible(visible);
            const bool differs = isChanged(r);
            r.revert->setVisible(differs);
            if (differs && visible && r.holder->parentWidget() == advanced)
                ++changedHidden;
            QString error;
            if (differs) {
                const auto alone = manifest.effectiveParameters(Json{{r.parameter.name, r.editor.get()}});
                if (!alone)
                    error = qs(alone.error().toString());
            }
            r.errorText = error;
            r.error->setText(error);
            r.error->setVisible(!error.isEmpty());
            r.editor.focus->setProperty("state", error.isEmpty() ? QString() : u"error"_s);
            r.editor.focus->style()->unpolish(r.editor.focus);
            r.editor.focus->style()->polish(r.editor.focus);
            if (firstError.isEmpty())
                firstError = error;
        }
        QString whole;
        if (firstError.isEmpty())
            if (const auto together = manifest.effectiveParameters(q->changedValues()); !together)
                whole = firstError = qs(together.error().toString());
        formError->setText(whole);
        formError->setVisible(!whole.isEmpty());
        valid = firstError.isEmpty();
        QString text = u"Advanced (%1)"_s.arg(advancedCount);
        if (changedHidden > 0)
            text += u" · %1 changed"_s.arg(changedHidden);
        fold->setText(text);
        fold->setIcon(themeIcon(advancedOpen ? u"chevron_down"_s : u"chevron_right"_s, Tone::Second));
    }
};

SchemaForm::SchemaForm(const Manifest& manifest, QWidget* parent) : QWidget(parent), d(std::make_unique<Private>()) {
    d->q = this;
    d->manifest = manifest;
    d->build();
}

SchemaForm::~SchemaForm() = default;

void SchemaForm::setModelChoices(const QList<Choice>& choices) {
    d->setting = true;
    for (auto& r : d->rows) {
        if (r.parameter.type == ParamType::ModelRef)
            r.editor.choices(choices);
        if (r.parameter.type == ParamType::Variants)
            static_cast<VariantList*>(r.editor.focus)->setChoices(ParamType::ModelRef, choices);
    }
    d->setting = false;
    d->check();
}

void SchemaForm::setDatasetChoices(const QList<Choice>& choices) {
    d->setting = true;
    for (auto& r : d->rows) {
        if (r.parameter.type == ParamType::DatasetRef)
            r.editor.choices(choices);
        if (r.parameter.type == ParamType::Variants)
            static_cast<VariantList*>(r.editor.focus)->setChoices(ParamType::DatasetRef, choices);
    }
    d->setting = false;
    d->check();
}

Json SchemaForm::changedValues() const {
    Json out = Json::object();
    for (const auto& r : d->rows)
        if (d->isChanged(r))
            out[r.parameter.name] = r.editor.get();
    return out;
}

Json SchemaForm::values() const {
    const auto effective = d->manifest.effectiveParameters(changedValues());
    return effective ? *effective : d->all();
}

void SchemaForm::setValues(const Json& values) {
    d->setting = true;
    for (auto& r : d->rows)
        r.editor.set(values.is_object() && values.contains(r.parameter.name) ? values[r.parameter.name]
                                                                             : r.parameter.defaultValue);
    d->setting = false;
    d->edited();
}

void SchemaForm::resetAll() {
    setValues(Json::object());
}

int SchemaForm::changedCount() const {
    return static_cast<int>(
        std::count_if(d->rows.begin(), d->rows.end(), [this](const auto& r) { return d->isChanged(r); }));
}

bool SchemaForm::isValid() const {
    return d->valid;
}
QString SchemaForm::error() const {
    return d->firstError;
}
QWidget* SchemaForm::editor(const QString& name) const {
    const auto* r = d->row(name.toStdString());
    return r ? r->editor.focus : nullptr;
}
bool SchemaForm::isRowVisible(const QString& name) const {
    const auto* r = d->row(name.toStdString());
    return r && r->holder->isVisibleTo(r->holder->parentWidget());
}
QString SchemaForm::rowError(const QString& name) const {
    const auto* r = d->row(name.toStdString());
    return r ? r->errorText : QString();
}
void SchemaForm::setAdvancedOpen(bool open) {
    d->advancedOpen = open;
    d->advanced->setVisible(open);
    d->fold->setIcon(themeIcon(open ? u"chevron_down"_s : u"chevron_right"_s, Tone::Second));
}

} // namespace pl::ui
