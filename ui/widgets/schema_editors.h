// SPDX-License-Identifier: GPL-3.0-or-later
// The editors of SchemaForm by parameter type. Included by schema_form.cpp alone.
#pragma once

#include "ui/widgets/schema_form.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <QCheckBox>
#include <QComboBox>
#include <QFileDialog>
#include <QGridLayout>
#include <QHBoxLayout>
#include <QKeyEvent>
#include <QLineEdit>
#include <QSlider>
#include <QStyle>
#include <QVBoxLayout>
#include <QWheelEvent>

#include "ui/theme/theme.h"
#include "ui/widgets/basics.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {

QString qs(const std::string& text) {
    return QString::fromStdString(text);
}

/// A default in words, for "default 0.1".
QString shortText(const Json& value) {
    if (value.is_boolean())
        return value.get<bool>() ? u"on"_s : u"off"_s;
    if (value.is_string())
        return value.get_ref<const std::string&>().empty() ? u"empty"_s : qs(value.get<std::string>()).left(24);
    if (value.is_number_float())
        return QString::number(value.get<double>(), 'g', 6);
    if (value.is_array())
        return value.empty() ? u"none"_s : u"%1 entries"_s.arg(value.size());
    if (value.is_null())
        return u"none"_s;
    return qs(dumpJson(value)).left(24);
}

/// A combo box that does not change when the page is scrolled over it.
class QuietCombo : public QComboBox {
public:
    using QComboBox::QComboBox;

protected:
    void wheelEvent(QWheelEvent* event) override {
        if (hasFocus())
            QComboBox::wheelEvent(event);
        else
            event->ignore();
    }
};

/// A number as text: always a decimal point, Up and Down step (1-2-5 on a log scale), never rounded by the field.
class NumberEdit : public QLineEdit {
public:
    NumberEdit(const Parameter& parameter) : m_parameter(parameter) {
        setFont(textFont(TextStyle::Mono));
        setMaximumWidth(px(Size::TileMin));
    }
    Json value() const {
        const QString t = text().trimmed();
        if (t.isEmpty() && m_parameter.defaultValue.is_null())
            return nullptr; // a number that may be left out
        bool ok = false;
        if (m_parameter.type == ParamType::Integer) {
            const qlonglong whole = t.toLongLong(&ok);
            if (ok)
                return static_cast<int64_t>(whole);
        }
        const double number = t.toDouble(&ok);
        if (!ok || !std::isfinite(number))
            return t.toStdString(); // the validator says what is wrong with it
        if (m_parameter.type == ParamType::Integer && number == std::floor(number) && std::abs(number) < 9e15)
            return static_cast<int64_t>(number);
        return number;
    }
    void setValue(const Json& value) {
        if (value.is_number_integer())
            setText(QString::number(value.get<int64_t>()));
        else if (value.is_number())
            setText(shortest(value.get<double>()));
        else
            setText(value.is_string() ? qs(value.get<std::string>()) : QString());
    }
    static QString shortest(double v) {
        for (int digits = 1; digits < 17; ++digits)
            if (const QString t = QString::number(v, 'g', digits); t.toDouble() == v)
                return t;
        return QString::number(v, 'g', 17);
    }
    void step(int direction) {
        bool ok = false;
        const double now = text().toDouble(&ok);
        if (!ok)
            return;
        double next = now;
        if (m_parameter.scale == "log" && now > 0) {
            const double decade = std::pow(10.0, std::floor(std::log10(now) + 1e-9));
            const double mantissa = now / decade;
            const auto& ladder = {1.0, 2.0, 5.0, 10.0};
            if (direction > 0) {
                for (const double rung : ladder)
                    if (rung > mantissa * 1.0001) {
                        next = rung * decade;
                        break;
                    }
            } else {
                next = 0.5 * decade;
                for (const double rung : ladder)
                    if (rung < mantissa * 0.9999)
                        next = rung * decade;
            }
        } else {
            double unit = 1;
            if (m_parameter.type == ParamType::Number) {
                const double span = m_parameter.min && m_parameter.max ? *m_parameter.max - *m_parameter.min : 1;
                unit = span <= 2 ? 0.05 : span <= 20 ? 0.5 : 1;
            }
            next = std::round((now + direction * unit) / unit) * unit;
        }
        if (m_parameter.min)
            next = std::max(next, *m_parameter.min);
        if (m_parameter.max)
            next = std::min(next, *m_parameter.max);
        if (m_parameter.type == ParamType::Integer)
            next = std::round(next);
        setText(m_parameter.type == ParamType::Integer ? QString::number(static_cast<qlonglong>(next))
                                                       : QString::number(next, 'g', 6));
        Q_EMIT textEdited(text());
    }

protected:
    void keyPressEvent(QKeyEvent* event) override {
        if (event->key() == Qt::Key_Up || event->key() == Qt::Key_Down)
            step(event->key() == Qt::Key_Up ? 1 : -1);
        else
            QLineEdit::keyPressEvent(event);
    }

private:
    Parameter m_parameter;
};

using Changed = std::function<void()>;

/// What a row edits with, whatever the type.
struct Editor {
    QWidget* widget = nullptr; ///< what is placed
    QWidget* focus = nullptr;  ///< what takes the value
    std::function<Json()> get;
    std::function<void(const Json&)> set;
    std::function<void(const QList<Choice>&)> choices; ///< model_ref, dataset_ref
};

Editor makeEditor(const Parameter& p, const Changed& changed);

Editor numberEditor(const Parameter& p, const Changed& changed) {
    auto* edit = new NumberEdit(p);
    Editor e{edit, edit, [edit] { return edit->value(); }, {}, {}};
    e.set = [edit](const Json& v) { edit->setValue(v); };
    QObject::connect(edit, &QLineEdit::textEdited, edit, changed);
    const bool slide = p.scale == "log" && p.min && p.max && *p.min > 0 && *p.max > *p.min;
    QWidget* box = new QWidget;
    auto* row = new QHBoxLayout(box);
    setNoMargins(row, Size::GapS);
    row->addWidget(edit);
    if (slide) {
        constexpr int kTicks = 200;
        auto* slider = new QSlider(Qt::Horizontal);
        slider->setRange(0, kTicks);
        slider->setFocusPolicy(Qt::NoFocus);
        slider->setMaximumWidth(px(Size::FormLabel));
        slider->setToolTip(u"Logarithmic"_s);
        const double low = std::log(*p.min), high = std::log(*p.max);
        const bool whole = p.type == ParamType::Integer;
        const auto follow = [=] {
            const double v = edit->text().toDouble();
            if (v > 0) {
                const QSignalBlocker block(slider);
                slider->setValue(static_cast<int>(std::lround((std::log(v) - low) / (high - low) * kTicks)));
            }
        };
        QObject::connect(slider, &QSlider::valueChanged, edit, [=](int tick) {
            const double v = std::exp(low + (high - low) * tick / kTicks);
            edit->setText(whole ? QString::number(std::llround(v)) : QString::number(v, 'g', 2));
            changed();
        });
        QObject::connect(edit, &QLineEdit::textChanged, slider, follow);
        row->addWidget(slider, 1);
    }
    if (!p.unit.empty())
        row->addWidget(new TextLabel(qs(p.unit), TextStyle::Caption, Tone::Second));
    row->addStretch(slide ? 0 : 1);
    e.widget = box;
    return e;
}

Editor comboEditor(const Parameter& p, const Changed& changed) {
    auto* combo = new QuietCombo;
    combo->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    combo->setMinimumContentsLength(14);
    for (const std::string& value : p.values)
        combo->addItem(qs(value), qs(value));
    Editor e{combo, combo, {}, {}, {}};
    // A name of a model may be longer than the field: the tooltip has it whole.
    const auto tell = [combo, named = p.type != ParamType::Enum] {
        if (named)
            combo->setToolTip(combo->currentText().toHtmlEscaped());
    };
    e.get = [combo]() -> Json { return combo->currentData().toString().toStdString(); };
    e.set = [combo, tell](const Json& v) {
        const QString wanted = v.is_string() ? qs(v.get<std::string>()) : QString();
        int index = combo->findData(wanted);
        if (index < 0) {
            // Kept, and said: a value that is not offered (any more) is not silently replaced.
            combo->addItem(wanted.isEmpty() ? u"(choose)"_s : wanted + u" (not available)"_s, wanted);
            index = combo->count() - 1;
        }
        const QSignalBlocker block(combo);
        combo->setCurrentIndex(index);
        tell();
    };
    if (p.type != ParamType::Enum)
        e.choices = [combo, set = e.set](const QList<Choice>& list) {
            const std::string now = combo->currentData().toString().toStdString();
            const QSignalBlocker block(combo);
            combo->clear();
            for (const Choice& c : list) {
                combo->addItem(c.detail.isEmpty() ? c.label : c.label + u"  ·  "_s + c.detail, c.value);
            }
            set(now);
        };
    QObject::connect(combo, &QComboBox::currentIndexChanged, combo, tell);
    QObject::connect(combo, &QComboBox::currentIndexChanged, combo, changed);
    return e;
}

Editor textEditor(const Parameter& p, const Changed& changed) {
    auto* edit = new QLineEdit;
    Editor e{edit, edit, {}, {}, {}};
    e.get = [edit]() -> Json { return edit->text().toStdString(); };
    e.set = [edit](const Json& v) { edit->setText(v.is_string() ? qs(v.get<std::string>()) : QString()); };
    QObject::connect(edit, &QLineEdit::textEdited, edit, changed);
    if (p.type == ParamType::Path) {
        auto* box = new QWidget;
        auto* row = new QHBoxLayout(box);
        setNoMargins(row, Size::Grid);
        auto* browse = new IconButton(u"folder"_s, u"Choose a file"_s);
        row->addWidget(edit, 1);
        row->addWidget(browse);
        QObject::connect(browse, &QPushButton::clicked, edit, [edit, changed] {
            const QString path = QFileDialog::getOpenFileName(edit, u"Choose a file"_s, edit->text());
            if (!path.isEmpty()) {
                edit->setText(path);
                changed();
            }
        });
        e.widget = box;
    }
    return e;
}

Editor checkEditor(const Changed& changed) {
    auto* check = new QCheckBox;
    check->setText(u"On"_s);
    Editor e{check, check, {}, {}, {}};
    e.get = [check]() -> Json { return check->isChecked(); };
    e.set = [check](const Json& v) {
        const QSignalBlocker block(check);
        check->setChecked(v.is_boolean() && v.get<bool>());
        check->setText(check->isChecked() ? u"On"_s : u"Off"_s);
    };
    QObject::connect(check, &QCheckBox::toggled, check, [check, changed](bool on) {
        check->setText(on ? u"On"_s : u"Off"_s);
        changed();
    });
    return e;
}

/// A list of one-level variants: each entry a small card with its own rows; "Add" offers the kinds.
class VariantList : public QWidget {
public:
    VariantList(const Parameter& p, Changed changed) : m_parameter(p), m_changed(std::move(changed)) {
        auto* column = new QVBoxLayout(this);
        setNoMargins(column, Size::GapS);
        m_list = new QVBoxLayout;
        setNoMargins(m_list, Size::GapS);
        column->addLayout(m_list);
        auto* row = new QHBoxLayout;
        setNoMargins(row, Size::GapS);
        m_kinds = new QuietCombo;
        for (const Variant& v : p.variants)
            m_kinds->addItem(v.label.empty() ? qs(v.name) : qs(v.label), qs(v.name));
        auto* add = new QuietButton(u"plus"_s, u"Add"_s);
        row->addWidget(m_kinds, 1);
        row->addWidget(add);
        column->addLayout(row);
        connect(add, &QPushButton::clicked, this, [this] {
            addEntry(m_kinds->currentData().toString().toStdString(), Json::object());
            m_changed();
        });
        setFocusProxy(m_kinds);
    }

    Json value() const {
        Json out = Json::array();
        for (const Entry& entry : m_entries) {
            Json one = Json::object();
            one["type"] = entry.variant;
            for (const auto& [name, editor] : entry.editors)
                one[name] = editor.get();
            for (const auto& [key, kept] : entry.unknown.items())
                one[key] = kept;
            out.push_back(one);
        }
        return out;
    }
    void setValue(const Json& value) {
        for (Entry& entry : m_entries)
            delete entry.frame;
        m_entries.clear();
        if (value.is_array())
            for (const Json& one : value)
                if (one.is_object())
                    addEntry(one.value("type", std::string()), one);
    }
    void setChoices(ParamType type, const QList<Choice>& choices) {
        (type == ParamType::ModelRef ? m_models : m_datasets) = choices;
        for (Entry& entry : m_entries)
            fillChoices(entry);
    }

private:
    struct Entry {
        std::string variant;
        QFrame* frame;
        std::vector<std::pair<std::string, Editor>> editors;
        std::map<std::string, ParamType> types;
        Json unknown = Json::object(); ///< kept as given, so that nothing is lost on the way through the form
    };

    void addEntry(const std::string& name, const Json& given) {
        Entry entry;
        entry.variant = name;
        entry.frame = new QFrame;
        setLook(entry.frame, "sunken");
        auto* column = new QVBoxLayout(entry.frame);
        setGaps(column, Size::GapS, Size::Grid);
        auto* head = new QHBoxLayout;
        const auto found = std::find_if(m_parameter.variants.begin(), m_parameter.variants.end(),
                                        [&](const Variant& v) { return v.name == name; });
        const bool known = found != m_parameter.variants.end();
        const QString title = known ? (found->label.empty() ? qs(name) : qs(found->label)) : qs(name) + u" (unknown)"_s;
        head->addWidget(new TextLabel(title, TextStyle::Strong), 1);
        auto* remove = new IconButton(u"close"_s, u"Remove "_s + title);
        remove->setFixedSize(px(Size::ControlSmall), px(Size::ControlSmall));
        head->addWidget(remove);
        column->addLayout(head);
        for (const auto& [key, value] : given.items())
            if (key != "type")
                entry.unknown[key] = value;
        if (known) {
            if (!found->help.empty()) {
                auto* help = new TextLabel(qs(found->help), TextStyle::Caption, Tone::Second);
                help->setWordWrap(true);
                column->addWidget(help);
            }
            auto* grid = new QGridLayout;
            grid->setHorizontalSpacing(px(Size::GapS));
            grid->setVerticalSpacing(px(Size::Grid));
            grid->setColumnStretch(1, 1);
            int row = 0;
            for (const Parameter& p : found->parameters) {
                Editor editor = makeEditor(p, m_changed);
                editor.set(given.contains(p.name) ? given[p.name] : p.defaultValue);
                entry.unknown.erase(p.name);
                auto* label = new TextLabel(p.label.empty() ? qs(p.name) : qs(p.label));
                label->setToolTip(qs(p.help).toHtmlEscaped());
                label->setBuddy(editor.focus);
                editor.focus->setAccessibleName(label->text());
                editor.focus->setObjectName(qs(p.name));
                grid->addWidget(label, row, 0);
                grid->addWidget(editor.widget, row++, 1);
                entry.types[p.name] = p.type;
                entry.editors.emplace_back(p.name, std::move(editor));
            }
            column->addLayout(grid);
        }
        connect(remove, &QPushButton::clicked, this, [this, frame = entry.frame] {
            std::erase_if(m_entries, [frame](const Entry& e) { return e.frame == frame; });
            frame->hide();
            frame->deleteLater();
            m_changed();
        });
        fillChoices(entry);
        m_list->addWidget(entry.frame);
        m_entries.push_back(std::move(entry));
    }

    void fillChoices(Entry& entry) {
        for (auto& [name, editor] : entry.editors)
            if (editor.choices)
                editor.choices(entry.types[name] == ParamType::ModelRef ? m_models : m_datasets);
    }

    Parameter m_parameter;
    Changed m_changed;
    QVBoxLayout* m_list;
    QuietCombo* m_kinds;
    std::vector<Entry> m_entries;
    QList<Choice> m_models, m_datasets;
};

Editor makeEditor(const Parameter& p, const Changed& changed) {
    switch (p.type) {
    case ParamType::Boolean:
        return checkEditor(changed);
    case ParamType::Integer:
    case ParamType::Number:
        return numberEditor(p, changed);
    case ParamType::Enum:
    case ParamType::ModelRef:
    case ParamType::DatasetRef:
        return comboEditor(p, changed);
    case ParamType::String:
    case ParamType::Path:
        return textEditor(p, changed);
    case ParamType::Variants: {
        auto* list = new VariantList(p, changed);
        return {list, list, [list] { return list->value(); }, [list](const Json& v) { list->setValue(v); }, {}};
    }
    }
    return textEditor(p, changed);
}

} // namespace

} // namespace pl::ui
