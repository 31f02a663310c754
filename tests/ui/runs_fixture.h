// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QTemporaryDir>
#include <QtTest>
#include <QtWidgets>

#include "tests/desk/desk_fixture.h"
#include "tests/ui/bundles.h"
#include "ui/shell/context.h"

/// A project with votes, a start model, and run bundles written by EventWriter; a real supervisor that starts nothing.
namespace fixture {

using bundles::pluginsIn;
using bundles::writeModel;

struct Pages : bundles::Runs {
    Desk desk;
    std::unique_ptr<StoreThread> store;
    std::unique_ptr<Supervisor> supervisor;
    pl::ui::Signals bus;
    std::unique_ptr<pl::ui::Context> context;

    explicit Pages(int prompts = 40) : desk(prompts) {
        dir = desk.dir();
        project = &*desk.project;
        if (prompts == 0)
            return;
        const auto items = desk.next(static_cast<size_t>(prompts));
        for (size_t i = 0; i + 4 < items.size(); ++i)
            must(i % 9 == 8 ? desk.vote(items[i], Winner::Tie) : desk.vote(items[i], i % 3 ? Winner::A : Winner::B, 2));
        DatasetSpec spec;
        spec.name = "votes";
        datasetSha = must(desk.project->freezeDataset(spec)).sha;
        m_late.assign(items.end() - 4, items.end());
    }
    void voteOnMore() { // after the dataset was frozen
        must(store->call([this](Project& project) -> Status {
                      for (const LabelItem& item : m_late) {
                          JudgementInput input;
                          input.winner = Winner::A;
                          PL_CHECK(project.presentAndJudge(item.presentation, input));
                      }
                      return {};
                  })
                 .get());
    }
    void open() {
        SupervisorOptions options;
        options.worker = "/bin/false";
        options.pluginFolders = {pluginsIn(desk.temp.path().toStdString() + "/plugins")};
        options.pollMs = 20;
        store = std::make_unique<StoreThread>(std::move(*desk.project));
        supervisor = must(Supervisor::start(dir, options));
        context = std::make_unique<pl::ui::Context>(*store, *supervisor, bus);
        context->projectDir = QString::fromStdString(dir);
        context->annotator = desk.ada;
        context->task.id = desk.task;
    }
    ~Pages() {
        context.reset();
        supervisor.reset();
        if (store)
            (void)store->close();
    }

    static void save(QWidget& page, const char* name, int width = 1224, int height = 734) {
        page.resize(width, height);
        page.show();
        for (int i = 0; i < 10; ++i)
            QTest::qWait(30);
        const QString folder = QStringLiteral(PAIRLAB_BUILD_DIR "/screenshots/");
        QDir().mkpath(folder);
        QPixmap picture(page.size());
        picture.fill(pl::ui::color(pl::ui::Tone::Window));
        page.render(&picture);
        QVERIFY(picture.save(folder + QString::fromLatin1(name) + QStringLiteral(".png")));
    }

private:
    std::vector<LabelItem> m_late;
};

} // namespace fixture
