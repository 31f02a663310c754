// SPDX-License-Identifier: Apache-2.0
// Dealing packages out, and the project an annotator makes of one.
#include "core/desk/store/packages.h"

#include <algorithm>

#include "core/base/image_file.h"
#include "core/desk/domain/ranking.h"
#include "core/desk/store/impl.h"
#include "core/desk/store/package_file.h"

namespace pl::desk {

namespace {

constexpr const char* kSetting = "package";

/// A name as part of a file's name.
std::string fileWord(const std::string& name) {
    std::string word;
    for (const char c : name)
        word += (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || static_cast<unsigned char>(c) >= 0x80
                    ? c
                    : '_';
    return headOf(word, 40);
}

/// How a message counts them.
std::string counted(int64_t n, const char* one) {
    return fmt::format("{} {}{}", n, one, n == 1 ? "" : "s");
}

/// Of a row of package_pairs, q.
constexpr const char* kIsSet = "EXISTS (SELECT 1 FROM comparison_members k WHERE k.comparison_id = q.comparison_id)";

/// Of the task's mix only what one person alone can be asked: fresh pairs and hidden repeats.
Json mixFor(const Json& mix) {
    const double repeat = mix.is_object() && mix.contains("repeat") && mix["repeat"].is_number() ? mix["repeat"].get<double>() : 0;
    const double share = std::clamp(repeat, 0.0, 50.0);
    return {{"random", 100 - share}, {"second", 0}, {"repeat", share}};
}

class Dealer {
public:
    Dealer(Project::Impl& impl, const DealOptions& options) : m_impl(impl), m_options(options) {}

    Result<std::vector<DealtPackage>> deal() {
        PL_TRY(m_task, task());
        PL_CHECK(readPeople());
        PL_CHECK(draw());
        PL_CHECK(os::makeDirs(m_options.out));
        std::vector<DealtPackage> dealt;
        for (size_t i = 0; i < m_people.size(); ++i) {
            auto package = write(m_people[i], m_drawn[i]);
            if (!package) {
                for (const DealtPackage& done : dealt)
                    (void)os::removeTree(done.file);
                return tl::unexpected(package.error());
            }
            dealt.push_back(std::move(*package));
        }
        m_impl.pending.changes.insert(Change::People);
        return dealt;
    }

private:
    struct Person {
        Id id = 0;
        std::string name, uuid;
    };
    struct Drawn {
        Id id = 0;
        uint64_t hash = 0; ///< of its contents
        bool shared = false, set = false;
    };
    /// What may be dealt, in the order of the draw.
    struct Pool {
        const char* word; ///< "pair"
        int64_t quota = 0, shared = 0;
        std::vector<std::pair<uint64_t, Drawn>> order;
    };

    Result<Task> task() {
        if (m_options.task)
            return m_impl.taskIn(m_options.task);
        auto row = m_impl.query("SELECT id FROM tasks WHERE archived = 0 ORDER BY id LIMIT 1");
        return m_impl.taskIn(row.step() ? row.integer(0) : 0);
    }

    Status readPeople() {
        if (m_options.people.empty())
            return fail(Code::InvalidInput, "no person was named", "Name who is to label.");
        for (const std::string& name : m_options.people) {
            Person person;
            person.name = name;
            PL_TRY(person.id, m_impl.annotatorIn(AnnotatorKind::Human, name, Json::object()));
            auto row = m_impl.query("SELECT uuid FROM annotators WHERE id = ? AND NOT EXISTS (SELECT 1 FROM tombstones t "
                                    "WHERE t.uuid = annotators.uuid)");
            if (!row.bind(person.id).step())
                return fail(Code::InvalidInput, fmt::format("{} was erased from this project", name));
            person.uuid = row.text(0);
            for (const Person& other : m_people)
                if (other.id == person.id)
                    return fail(Code::InvalidInput, fmt::format("{} is named twice", name));
            m_people.push_back(std::move(person));
        }
        return {};
    }

    Status draw() {
        const auto quota = [](int64_t all, int64_t shared, const char* word) -> Status {
            if (all >= 0 && shared >= 0 && shared <= all)
                return {};
            return fail(Code::InvalidInput, fmt::format("{} of which {} are shared cannot be dealt", counted(all, word), shared),
                        "The overlap is at most the quota.");
        };
        PL_CHECK(quota(m_options.pairs, m_options.shared, "pair"));
        PL_CHECK(quota(m_options.sets, m_options.sharedSets, "set"));
        if (m_options.pairs + m_options.sets == 0)
            return fail(Code::InvalidInput, "a package of nothing cannot be dealt", "Ask for a pair or a set at least.");
        std::map<Id, std::set<Id>> taken; // pair or set -> people who judged it or were dealt it
        {
            auto rows = m_impl.query("SELECT comparison_id, annotator_id FROM current WHERE task_id = ? UNION "
                                     "SELECT q.comparison_id, p.annotator_id FROM package_pairs q JOIN packages p "
                                     "ON p.id = q.package_id WHERE p.task_id = ?");
            rows.bind(m_task.id, m_task.id);
            while (rows.step())
                taken[rows.integer(0)].insert(rows.integer(1));
        }
        m_drawn.resize(m_people.size());
        Pool pairs{"pair", m_options.pairs, m_options.shared, {}}, sets{"set", m_options.sets, m_options.sharedSets, {}};
        if (pairs.quota) {
            m_impl.loadPairs();
            for (const auto& [id, pair] : m_impl.pairs)
                enter(pairs, {id, pair.hash, false, false}, pair, taken);
        }
        if (sets.quota) {
            auto rows = m_impl.query("SELECT x.id, x.sha, p.split, x.task_id, a.kind FROM comparisons x JOIN prompts p ON p.id = x.prompt_id "
                                     "JOIN candidates a ON a.id = x.a_id WHERE x.withdrawn = 0 "
                                     "AND x.id IN (SELECT comparison_id FROM comparison_members)");
            while (rows.step()) {
                const PairInfo info{hashPrefix(rows.text(1)), stored(splitOf(rows.text(2))), rows.null(3) ? 0 : rows.integer(3),
                                    stored(candidateKindOf(rows.text(4)))};
                enter(sets, {rows.integer(0), info.hash, false, true}, info, taken);
            }
        }
        for (Pool* pool : {&pairs, &sets})
            PL_CHECK(drawFrom(*pool, taken));
        return {};
    }

    void enter(Pool& pool, Drawn each, const PairInfo& info, const std::map<Id, std::set<Id>>& taken) {
        if ((info.task == 0 || info.task == m_task.id) && offers(m_options.split, info.split) &&
            (!m_options.kind || info.kind == *m_options.kind) && (m_options.judged || !taken.count(each.id)))
            pool.order.emplace_back(mix64(mix64(m_options.seed) ^ info.hash), each);
    }

    /// Adds the quota of each person to what was drawn.
    Status drawFrom(Pool& pool, const std::map<Id, std::set<Id>>& taken) {
        std::sort(pool.order.begin(), pool.order.end(),
                  [](const auto& x, const auto& y) { return std::pair(x.first, x.second.id) < std::pair(y.first, y.second.id); });
        std::set<Id> used;
        std::vector<Drawn> common;
        const auto free = [&](Id pair, const Person& person) {
            const auto at = taken.find(pair);
            return !used.count(pair) && (at == taken.end() || !at->second.count(person.id));
        };
        const auto tooFew = [&](int64_t found, int64_t wanted, const std::string& whom) {
            return fail(Code::InvalidInput,
                        fmt::format("{} of {} were found for {}: {} are open in task \"{}\"", found, counted(wanted, pool.word), whom,
                                    pool.order.size(), m_task.name),
                        m_options.judged ? fmt::format("Ask for fewer, or make more {}s.", pool.word)
                                         : fmt::format("Ask for fewer, share more, make more {}s, or deal judged ones again.", pool.word));
        };
        for (auto& [key, each] : pool.order) {
            if (static_cast<int64_t>(common.size()) == pool.shared)
                break;
            if (std::all_of(m_people.begin(), m_people.end(), [&, id = each.id](const Person& person) { return free(id, person); })) {
                each.shared = true;
                common.push_back(each);
                used.insert(each.id);
            }
        }
        if (static_cast<int64_t>(common.size()) < pool.shared)
            return tooFew(static_cast<int64_t>(common.size()), pool.shared, "everybody");
        for (size_t i = 0; i < m_people.size(); ++i) {
            const Person& person = m_people[i];
            std::vector<Drawn> mine = common;
            for (const auto& [key, each] : pool.order) {
                if (static_cast<int64_t>(mine.size()) == pool.quota)
                    break;
                if (!free(each.id, person))
                    continue;
                mine.push_back(each);
                used.insert(each.id);
            }
            if (static_cast<int64_t>(mine.size()) < pool.quota)
                return tooFew(static_cast<int64_t>(mine.size()), pool.quota, person.name);
            // Which are shared must not show in their order.
            const auto orderOf = [&](const Drawn& each) { return mix64(hashSeed(m_options.seed, person.uuid) ^ each.hash); };
            std::sort(mine.begin(), mine.end(), [&](const Drawn& x, const Drawn& y) { return orderOf(x) < orderOf(y); });
            m_drawn[i].insert(m_drawn[i].end(), mine.begin(), mine.end());
        }
        return {};
    }

    /// The file an image is sent as: its pixels, written anew.
    Result<Json> imageLine(const Candidate& answer) {
        PL_TRY(const std::string bytes, os::readFile(m_impl.mediaPath(answer.content), ImageLimits().maxBytes));
        PL_TRY(const Image image, decodeImage(bytes, fmt::format("the image of answer {}", answer.id)));
        PL_TRY(const std::string clean, encodePng(image));
        return Json{{"image", answer.sha}, {"png", toBase64(clean)}};
    }

    Result<DealtPackage> write(const Person& person, const std::vector<Drawn>& drawn) {
        DealtPackage dealt{newUuid(), person.name, person.uuid, {}};
        PackageWriter file;
        file.add({{"format", kPackageFormat},
                  {"v", m_options.sets ? kNewestPackage : 1},
                  {"package", dealt.uuid},
                  {"project", m_impl.projectUuid},
                  {"person", {{"uuid", person.uuid}, {"name", person.name}}},
                  {"task",
                   {{"uuid", m_task.uuid},
                    {"name", m_task.name},
                    {"question", m_task.question},
                    {"guideline", m_task.guideline},
                    {"guideline_version", m_task.guidelineVersion},
                    {"scale", scaleName(m_task.scale)},
                    {"required_parts", m_task.requiredParts},
                    {"view", m_task.view},
                    {"queue_mix", mixFor(m_task.queueMix)},
                    {"attributes", m_task.attributes}}}});
        std::set<std::string> sent;
        for (const Drawn& each : drawn) {
            ++(each.set ? dealt.sets : dealt.pairs);
            (each.set ? dealt.sharedSets : dealt.shared) += each.shared;
            PL_TRY(const Comparison pair, m_impl.comparisonIn(each.id));
            PL_TRY(const Prompt prompt, m_impl.promptIn(pair.prompt));
            Json line{{"prompt", prompt.content}, {"answers", Json::array()}};
            if (pair.promptB) {
                PL_TRY(const Prompt other, m_impl.promptIn(pair.promptB));
                line["prompt_b"] = other.content;
            }
            PL_TRY(const std::vector<Candidate> answers, m_impl.membersIn(each.id));
            for (const Candidate& answer : answers) {
                if (answer.kind == CandidateKind::Text) {
                    line["answers"].push_back({{"text", answer.content}});
                    continue;
                }
                line["answers"].push_back({{"image", answer.sha}});
                if (sent.insert(answer.sha).second) {
                    PL_TRY(const Json image, imageLine(answer));
                    file.add(image);
                }
            }
            file.add(line);
        }
        dealt.file = os::joinPath(os::absolutePath(m_options.out),
                                  fmt::format("{}-{}{}", fileWord(person.name), dealt.uuid.substr(0, 8), kPackageSuffix));
        PL_TRY(const std::string sha, file.write(dealt.file));
        m_impl.query("INSERT INTO packages(uuid, task_id, guideline_version, annotator_id, seed, sha, created_ms) "
                     "VALUES (?, ?, ?, ?, ?, ?, ?)")
            .bind(dealt.uuid, m_task.id, m_task.guidelineVersion, person.id, m_options.seed, sha, m_impl.now())
            .run();
        const Id package = m_impl.db->getLastInsertRowid();
        for (const Drawn& each : drawn)
            m_impl.query("INSERT INTO package_pairs(package_id, comparison_id, shared) VALUES (?, ?, ?)")
                .bind(package, each.id, each.shared)
                .run();
        return dealt;
    }

    Project::Impl& m_impl;
    const DealOptions& m_options;
    Task m_task;
    std::vector<Person> m_people;
    std::vector<std::vector<Drawn>> m_drawn; ///< of each person: pairs, then sets
};

/// Fills an annotator's fresh project.
class Opener {
public:
    Opener(Project::Impl& impl, const PackageContent& content) : m_impl(impl), m_content(content) {}

    Status fill() {
        PL_CHECK(task());
        PL_TRY(const Json person, field<Json>("person"));
        PL_TRY(const auto uuid, pl::field<std::string>(person, "uuid", "the package's person"));
        PL_TRY(const auto name, pl::field<std::string>(person, "name", "the package's person"));
        m_impl.query("INSERT INTO annotators(uuid, kind, name, detail, created_ms) VALUES (?, 'human', ?, '{}', ?)")
            .bind(uuid, name, m_impl.now())
            .run();
        int64_t pairs = 0, sets = 0;
        for (const PackageLine& line : m_content.lines) {
            if (line.json.contains("png")) {
                PL_CHECK(image(line));
            } else {
                PL_TRY(const size_t answers, pair(line));
                ++(answers > 2 ? sets : pairs);
            }
        }
        PL_TRY(const auto package, pl::field<std::string>(m_content.header, "package", "the package"));
        PL_TRY(const auto project, pl::field<std::string>(m_content.header, "project", "the package"));
        m_impl.query("UPDATE tasks SET quota = ?").bind(pairs + sets).run();
        m_impl.query("INSERT INTO settings(key, value) VALUES (?, ?)")
            .bind(kSetting, Json{{"package", package}, {"project", project}, {"person", uuid}, {"name", name}, {"pairs", pairs}, {"sets", sets}})
            .run();
        m_impl.pending.changes.insert({Change::Tasks, Change::People, Change::Pairs});
        return {};
    }

private:
    template<class T>
    Result<T> field(const char* key) {
        if (!m_content.header.contains(key) || !m_content.header[key].is_object())
            return fail(Code::Corrupt, fmt::format("the package has no {}", key));
        return m_content.header[key];
    }

    Status task() {
        PL_TRY(const Json task, field<Json>("task"));
        constexpr const char* what = "the package's task";
        const auto text = [&](const char* key) { return pl::field<std::string>(task, key, what); };
        PL_TRY(const auto uuid, text("uuid"));
        PL_TRY(const auto name, text("name"));
        PL_TRY(const auto question, text("question"));
        PL_TRY(const auto guideline, text("guideline"));
        PL_TRY(const auto scale, text("scale"));
        PL_TRY(const auto view, text("view"));
        PL_TRY(const auto version, pl::field<int64_t>(task, "guideline_version", what));
        PL_CHECK(scaleOf(scale));
        const Json parts = task.value("required_parts", Json::array()), attributes = task.value("attributes", Json::array());
        if (name.empty() || version < 1 || version > 1'000'000 || !parts.is_array() || !attributes.is_array() ||
            !std::all_of(parts.begin(), parts.end(), [](const Json& part) { return part.is_string(); }))
            return fail(Code::Corrupt, "the package's task is malformed");
        m_impl.query("UPDATE tasks SET uuid = ?, name = ?, question = ?, guideline_version = ?, scale = ?, required_parts = ?, "
                     "view = ?, queue_mix = ?, attributes = ?, people = '[]', reveal_names = 0")
            .bind(uuid, name, question, version, scale, parts, view, mixFor(task.value("queue_mix", Json::object())), attributes)
            .run();
        m_impl.query("DELETE FROM guidelines").run();
        m_impl.query("INSERT INTO guidelines(task_id, version, text, sha, created_ms) SELECT id, ?, ?, ?, ? FROM tasks")
            .bind(version, guideline, sha256Hex(guideline), m_impl.now())
            .run();
        return {};
    }

    Status image(const PackageLine& line) {
        PL_TRY(const auto sha, pl::field<std::string>(line.json, "image", line.where));
        PL_TRY(const auto text, pl::field<std::string>(line.json, "png", line.where));
        PL_TRY(const std::string bytes, fromBase64(text, line.where));
        PL_CHECK(checkImage(bytes, line.where));
        const std::string aside = os::joinPath(os::joinPath(m_impl.dir, "media"), kPartialMedia + newUuid());
        PL_CHECK(os::writeFileAtomic(aside, bytes));
        auto stored = m_impl.storeMedia(aside, sha256Hex(bytes), Project::Impl::Take::Copy);
        (void)os::removeTree(aside);
        if (!stored)
            return tl::unexpected(stored.error());
        m_media[sha] = *stored;
        return {};
    }

    /// Its identity is that of the manager's answer; the file beside it is the one that was sent.
    Result<Id> answer(Id prompt, const Json& json, const std::string& where) {
        const bool text = json.is_object() && json.contains("text") && json["text"].is_string();
        const bool image = json.is_object() && json.contains("image") && json["image"].is_string();
        if (text == image)
            return fail(Code::Corrupt, where + ": an answer is neither text nor image");
        const std::string value = json[text ? "text" : "image"].get<std::string>();
        const std::string sha = text ? candidateSha(value) : value;
        auto& known = m_answers[{prompt, sha}];
        if (known)
            return known;
        if (image && !m_media.count(value))
            return fail(Code::Corrupt, where + ": the file of an image is missing");
        m_impl.query("INSERT INTO candidates(uuid, prompt_id, kind, sha, content_id, media_sha, provenance, params, created_ms) "
                     "VALUES (?, ?, ?, ?, ?, ?, 'imported', '{}', ?)")
            .bind(newUuid(), prompt, text ? "text" : "image", sha, orNull(text ? m_impl.ensureContent(value) : 0),
                  text ? std::nullopt : std::optional<std::string>(m_media[value]), m_impl.now())
            .run();
        return known = m_impl.db->getLastInsertRowid();
    }

    /// A pair, or a set to rank; gives the number of its answers.
    Result<size_t> pair(const PackageLine& line) {
        const auto prompt = [&](const char* key) -> Result<Id> {
            NewPrompt fresh;
            PL_TRY(fresh.content, pl::field<std::string>(line.json, key, line.where));
            fresh.split = Split::Train;
            return m_impl.addPromptIn(fresh, 0);
        };
        PL_TRY(const Id first, prompt("prompt"));
        Id second = first;
        if (line.json.contains("prompt_b")) {
            PL_TRY(second, prompt("prompt_b"));
        }
        const Json answers = line.json.value("answers", Json());
        if (!answers.is_array() || answers.size() < 2 || answers.size() > Ranking::kMost)
            return fail(Code::Corrupt, fmt::format("{}: a pair has two answers, a set 3 to {}", line.where, Ranking::kMost));
        if (answers.size() > 2 && second != first)
            return fail(Code::Corrupt, line.where + ": the answers of a set are to one prompt");
        Project::NewPair pair;
        pair.source = kSetting;
        PL_TRY(pair.a, answer(first, answers[0], line.where));
        PL_TRY(pair.b, answer(second, answers[1], line.where));
        for (size_t i = 2; i < answers.size(); ++i) {
            PL_TRY(const Id more, answer(first, answers[i], line.where));
            pair.more.push_back(more);
        }
        PL_TRY(const Id id, m_impl.addPairIn(pair, 0));
        if (!id)
            return fail(Code::Corrupt, line.where + ": two answers are identical");
        return answers.size();
    }

    Project::Impl& m_impl;
    const PackageContent& m_content;
    std::map<std::string, std::string> m_media; ///< identity -> file
    std::map<std::pair<Id, std::string>, Id> m_answers;
};

} // namespace

Result<std::vector<DealtPackage>> dealPackages(Project& project, const DealOptions& options) {
    Project::Impl& impl = project.impl();
    return impl.write("dealing out packages", [&] { return Dealer(impl, options).deal(); });
}

Result<std::vector<PackageRow>> packages(Project& project) {
    Project::Impl& impl = project.impl();
    return impl.guarded("reading packages", [&]() -> Result<std::vector<PackageRow>> {
        std::vector<PackageRow> all;
        std::string sql = "SELECT p.uuid, n.name, n.uuid, t.name, p.guideline_version, p.created_ms, "
                          "(SELECT count(*) FROM package_returns r WHERE r.package_id = p.id), "
                          "(SELECT coalesce(max(merged_ms), 0) FROM package_returns r WHERE r.package_id = p.id)";
        for (const char* is : {"NOT", ""})
            sql += fmt::format(", (SELECT count(*) FROM package_pairs q WHERE q.package_id = p.id AND {0} {1})"
                               ", (SELECT count(*) FROM package_pairs q WHERE q.package_id = p.id AND q.shared = 1 AND {0} {1})"
                               ", (SELECT count(*) FROM package_pairs q JOIN current c ON c.comparison_id = q.comparison_id "
                               "WHERE q.package_id = p.id AND c.task_id = p.task_id AND c.annotator_id = p.annotator_id AND c.occasion = 0 "
                               "AND c.kind <> 'flag' AND {0} {1})",
                               is, kIsSet);
        auto rows = impl.query(sql + " FROM packages p JOIN annotators n ON n.id = p.annotator_id JOIN tasks t ON t.id = p.task_id "
                                     "ORDER BY p.id DESC");
        while (rows.step()) {
            PackageRow row;
            row.uuid = rows.text(0);
            row.person = rows.text(1);
            row.personUuid = rows.text(2);
            row.task = rows.text(3);
            row.guidelineVersion = static_cast<int>(rows.integer(4));
            row.createdMs = rows.integer(5);
            row.returns = rows.integer(6);
            row.returnedMs = rows.integer(7);
            row.pairs = rows.integer(8);
            row.shared = rows.integer(9);
            row.judged = rows.integer(10);
            row.sets = rows.integer(11);
            row.sharedSets = rows.integer(12);
            row.ranked = rows.integer(13);
            all.push_back(std::move(row));
        }
        return all;
    });
}

Json PackageRow::toJson() const {
    return {{"package", uuid},     {"person", person},   {"person_uuid", personUuid}, {"task", task},
            {"guideline_version", guidelineVersion},     {"pairs", pairs},            {"shared", shared},
            {"judged", judged},    {"sets", sets},       {"shared_sets", sharedSets}, {"ranked", ranked},
            {"returns", returns},  {"created_ms", createdMs},                         {"returned_ms", returnedMs}};
}

Result<std::optional<WorkOrder>> workOrder(Project& project) {
    PL_TRY(const Json setting, project.setting(kSetting));
    if (setting.is_null())
        return std::optional<WorkOrder>();
    WorkOrder order;
    constexpr const char* what = "the project's package";
    PL_TRY(order.package, field<std::string>(setting, "package", what));
    PL_TRY(order.project, field<std::string>(setting, "project", what));
    PL_TRY(order.person, field<std::string>(setting, "person", what));
    PL_TRY(order.personName, field<std::string>(setting, "name", what));
    PL_TRY(order.pairs, field<int64_t>(setting, "pairs", what));
    if (setting.contains("sets")) { // not in projects of packages of before
        PL_TRY(order.sets, field<int64_t>(setting, "sets", what));
    }
    return std::optional<WorkOrder>(std::move(order));
}

Status notInPackage(Project& project, const std::string& what) {
    PL_TRY(const auto order, workOrder(project));
    if (!order)
        return {};
    return fail(Code::InvalidInput, fmt::format("{} is refused: {} was made of package {}, and nothing else could be merged", what, project.dir(), order->package),
                "Do it in the project that dealt the package.");
}

Result<Project> openPackage(const std::string& file, const std::string& dir, ProjectOptions options) {
    PL_TRY(const PackageContent content, readPackage(file, kPackageFormat));
    if (options.name.empty() && content.header.contains("task") && content.header["task"].is_object() &&
        content.header["task"].value("name", Json()).is_string())
        options.name = content.header["task"]["name"].get<std::string>();
    const bool existed = os::exists(dir);
    PL_TRY(Project project, Project::create(dir, std::move(options)));
    Project::Impl& impl = project.impl();
    if (auto filled = impl.write("opening package " + file, [&] { return Opener(impl, content).fill(); }); !filled) {
        (void)project.close();
        if (!existed)
            (void)os::removeTree(dir); // made just now, and of no use
        return tl::unexpected<Error>(std::move(filled).error());
    }
    return project;
}

} // namespace pl::desk
