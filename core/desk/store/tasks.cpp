// SPDX-License-Identifier: Apache-2.0
#include "core/desk/store/impl.h"

namespace pl::desk {

namespace {

constexpr const char* kTaskColumns =
    "SELECT t.id, t.uuid, t.name, t.question, g.text, t.guideline_version, t.scale, t.required_parts, t.view, "
    "t.queue_mix, t.attributes, t.people, t.quota, t.reveal_names, t.archived FROM tasks t "
    "JOIN guidelines g ON g.task_id = t.id AND g.version = t.guideline_version ";

Task taskOf(const Query& row) {
    Task task;
    task.id = row.integer(0);
    task.uuid = row.text(1);
    task.name = row.text(2);
    task.question = row.text(3);
    task.guideline = row.text(4);
    task.guidelineVersion = static_cast<int>(row.integer(5));
    task.scale = stored(scaleOf(row.text(6)));
    task.requiredParts = row.json(7).get<std::vector<std::string>>();
    task.view = row.text(8);
    task.queueMix = row.json(9);
    task.attributes = row.json(10);
    task.people = row.json(11);
    task.quota = row.integer(12);
    task.revealNames = row.boolean(13);
    task.archived = row.boolean(14);
    return task;
}

} // namespace

Result<Task> Project::Impl::taskIn(Id id) {
    auto row = query(std::string(kTaskColumns) + "WHERE t.id = ?");
    row.bind(id);
    if (!row.step())
        return fail(Code::NotFound, fmt::format("there is no task {}", id));
    return taskOf(row);
}

Result<std::vector<Task>> Project::tasks() {
    return m->guarded("reading tasks", [&]() -> Result<std::vector<Task>> {
        std::vector<Task> all;
        auto rows = m->query(std::string(kTaskColumns) + "ORDER BY t.id");
        while (rows.step())
            all.push_back(taskOf(rows));
        return all;
    });
}

Result<Task> Project::task(Id id) {
    return m->guarded("reading a task", [&] { return m->taskIn(id); });
}

Result<Task> Project::defaultTask() {
    return m->guarded("reading tasks", [&]() -> Result<Task> {
        auto row = m->query(std::string(kTaskColumns) + "WHERE t.archived = 0 ORDER BY t.id LIMIT 1");
        if (!row.step())
            return fail(Code::NotFound, "every task is archived", "Add a task.");
        return taskOf(row);
    });
}

Result<Id> Project::addTask(const Task& task) {
    if (task.name.empty())
        return fail(Code::InvalidInput, "a task needs a name");
    return m->write("adding task " + task.name, [&]() -> Result<Id> {
        auto taken = m->query("SELECT 1 FROM tasks WHERE name = ?");
        if (taken.bind(task.name).step())
            return fail(Code::InvalidInput, fmt::format("there is a task \"{}\" already", task.name));
        m->query("INSERT INTO tasks(uuid, name, question, guideline_version, scale, required_parts, view, queue_mix, "
                 "attributes, people, quota, reveal_names, archived, created_ms) "
                 "VALUES (?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
            .bind(newUuid(), task.name, task.question, scaleName(task.scale), Json(task.requiredParts), task.view,
                  task.queueMix, task.attributes, task.people, task.quota, task.revealNames, task.archived, m->now())
            .run();
        const Id id = m->db->getLastInsertRowid();
        m->query("INSERT INTO guidelines(task_id, version, text, sha, created_ms) VALUES (?, 1, ?, ?, ?)")
            .bind(id, task.guideline, sha256Hex(task.guideline), m->now())
            .run();
        m->pending.changes.insert(Change::Tasks);
        return id;
    });
}

Status Project::updateTask(const Task& task) {
    return m->write("changing task " + task.name, [&]() -> Status {
        PL_TRY(const Task old, m->taskIn(task.id));
        int version = old.guidelineVersion;
        if (old.guideline != task.guideline) {
            ++version;
            m->query("INSERT INTO guidelines(task_id, version, text, sha, created_ms) VALUES (?, ?, ?, ?, ?)")
                .bind(task.id, version, task.guideline, sha256Hex(task.guideline), m->now())
                .run();
        }
        auto taken = m->query("SELECT 1 FROM tasks WHERE name = ? AND id <> ?");
        if (task.name.empty() || taken.bind(task.name, task.id).step())
            return fail(Code::InvalidInput, fmt::format("\"{}\" cannot be the name of this task", task.name),
                        "Names are unique and not empty.");
        m->query("UPDATE tasks SET name = ?, question = ?, guideline_version = ?, scale = ?, required_parts = ?, "
                 "view = ?, queue_mix = ?, attributes = ?, people = ?, quota = ?, reveal_names = ?, archived = ? "
                 "WHERE id = ?")
            .bind(task.name, task.question, version, scaleName(task.scale), Json(task.requiredParts), task.view,
                  task.queueMix, task.attributes, task.people, task.quota, task.revealNames, task.archived, task.id)
            .run();
        m->pending.changes.insert(Change::Tasks);
        return {};
    });
}

Result<std::string> Project::guideline(Id task, int version) {
    return m->guarded("reading a guideline", [&]() -> Result<std::string> {
        auto row = m->query("SELECT text FROM guidelines WHERE task_id = ? AND version = ?");
        if (!row.bind(task, version).step())
            return fail(Code::NotFound, fmt::format("task {} has no guideline version {}", task, version));
        return row.text(0);
    });
}

// --- people ----------------------------------------------------------------------------------------------------------

Result<Id> Project::Impl::annotatorIn(AnnotatorKind kind, const std::string& name, const Json& detail) {
    if (name.empty())
        return fail(Code::InvalidInput, "a person needs a name");
    {
        auto row = query("SELECT id FROM annotators WHERE kind = ? AND name = ?");
        if (row.bind(annotatorKindName(kind), name).step())
            return row.integer(0);
    }
    // A rule or a judge of one name is the same one everywhere; two people called Ada are not.
    const std::string uuid = kind == AnnotatorKind::Human
                                 ? newUuid()
                                 : uuidFromText(fmt::format("annotator\n{}\n{}", annotatorKindName(kind), name));
    query("INSERT INTO annotators(uuid, kind, name, detail, created_ms) VALUES (?, ?, ?, ?, ?)")
        .bind(uuid, annotatorKindName(kind), name, detail, now())
        .run();
    pending.changes.insert(Change::People);
    return db->getLastInsertRowid();
}

Result<Id> Project::annotator(AnnotatorKind kind, const std::string& name, const Json& detail) {
    return m->write("adding person " + name, [&] { return m->annotatorIn(kind, name, detail); });
}

Result<std::vector<Annotator>> Project::annotators() {
    return m->guarded("reading people", [&]() -> Result<std::vector<Annotator>> {
        std::vector<Annotator> all;
        auto rows = m->query("SELECT id, uuid, kind, name, detail, created_ms FROM annotators ORDER BY id");
        while (rows.step()) {
            Annotator person;
            person.id = rows.integer(0);
            person.uuid = rows.text(1);
            person.kind = stored(annotatorKindOf(rows.text(2)));
            person.name = rows.text(3);
            person.detail = rows.json(4);
            person.createdMs = rows.integer(5);
            all.push_back(std::move(person));
        }
        return all;
    });
}

Result<Id> Project::beginSession(Id annotator, Id task) {
    return m->write("beginning a session", [&]() -> Result<Id> {
        m->query("INSERT INTO sessions(uuid, annotator_id, task_id, program, app_version, started_ms) "
                 "VALUES (?, ?, ?, ?, ?, ?)")
            .bind(newUuid(), annotator, task, m->options.program, kVersion, m->now())
            .run();
        return Id{m->db->getLastInsertRowid()};
    });
}

Status Project::endSession(Id session) {
    return m->write("ending a session", [&]() -> Status {
        m->query("UPDATE sessions SET ended_ms = ? WHERE id = ?").bind(m->now(), session).run();
        return {};
    });
}

// --- sealed test, standing orders ------------------------------------------------------------------------------------

Result<int64_t> Project::openTestSplit(const std::string& why) {
    return m->write("opening the sealed test", [&]() -> Result<int64_t> {
        m->query("INSERT INTO test_openings(why, program, time_ms) VALUES (?, ?, ?)")
            .bind(why, m->options.program, m->now())
            .run();
        return int64_t{m->db->getLastInsertRowid()};
    });
}

Result<int64_t> Project::testOpenings() {
    return m->guarded("reading test openings", [&]() -> Result<int64_t> {
        auto row = m->query("SELECT count(*) FROM test_openings");
        row.step();
        return row.integer(0);
    });
}

Result<std::vector<StandingOrder>> Project::standingOrders() {
    return m->guarded("reading standing orders", [&]() -> Result<std::vector<StandingOrder>> {
        std::vector<StandingOrder> all;
        auto rows = m->query("SELECT id, task_id, target, enabled, generate FROM standing_orders ORDER BY id");
        while (rows.step())
            all.push_back({rows.integer(0), rows.integer(1), rows.integer(2), rows.boolean(3), rows.json(4)});
        return all;
    });
}

Result<Id> Project::setStandingOrder(const StandingOrder& order) {
    return m->write("writing a standing order", [&]() -> Result<Id> {
        m->pending.changes.insert(Change::Settings);
        if (order.id) {
            m->query("UPDATE standing_orders SET task_id = ?, target = ?, enabled = ?, generate = ?, updated_ms = ? "
                     "WHERE id = ?")
                .bind(order.task, order.target, order.enabled, order.generate, m->now(), order.id)
                .run();
            return order.id;
        }
        m->query("INSERT INTO standing_orders(uuid, task_id, target, enabled, generate, updated_ms) "
                 "VALUES (?, ?, ?, ?, ?, ?)")
            .bind(newUuid(), order.task, order.target, order.enabled, order.generate, m->now())
            .run();
        return Id{m->db->getLastInsertRowid()};
    });
}

} // namespace pl::desk
