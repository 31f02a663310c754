// SPDX-License-Identifier: Apache-2.0
#include "core/desk/store/reader_thread.h"

#include "core/base/log.h"

namespace pl::desk {

namespace {
tl::unexpected<Error> closing() { return fail(Code::Cancelled, "the project is closing", "Open it again."); }
} // namespace

/// A copy on its way: each step asks for the next one, so that whatever else the store was asked for comes between them.
struct ReaderThread::Making {
    StoreThread& store;
    std::function<bool()> cancelled;
    std::unique_ptr<ReadingCopy> copy; ///< of the store's thread until it is handed over
    std::promise<Result<std::unique_ptr<ReadingCopy>>> made;

    Making(StoreThread& where, std::function<bool()> stop) : store(where), cancelled(std::move(stop)) {}
    static void begin(const std::shared_ptr<Making>& self, Project& project) {
        auto begun = ReadingCopy::begin(project);
        if (!begun)
            return self->made.set_value(tl::unexpected(std::move(begun).error()));
        self->copy = std::move(*begun);
        goOn(self, project);
    }
    static void goOn(const std::shared_ptr<Making>& self, Project& project) {
        const auto whole = self->copy->step(project);
        if (whole && *whole)
            return self->made.set_value(std::move(self->copy));
        // A copy that is not whole goes here, before the project can close.
        if (!whole || self->cancelled() || !self->store.post([self](Project& p) { goOn(self, p); })) {
            self->copy.reset();
            self->made.set_value(whole ? Result<std::unique_ptr<ReadingCopy>>(closing()) : tl::unexpected(whole.error()));
        }
    }
};

ReaderThread::ReaderThread(StoreThread& store) : m_store(store) {}

ReaderThread::~ReaderThread() {
    {
        const std::lock_guard guard(m_mutex);
        m_closing = true;
    }
    m_wake.notify_one();
    if (m_thread.joinable())
        m_thread.join();
}

void ReaderThread::read(Work work, std::function<Status(Project&)> first, std::function<bool()> wanted) {
    add({std::move(work), std::move(first), std::move(wanted)});
}
void ReaderThread::letGo() { add({}); }

void ReaderThread::add(Job job) {
    const std::lock_guard guard(m_mutex);
    if (!m_thread.joinable() && !job.work)
        return;
    m_jobs.push_back(std::move(job));
    if (!m_thread.joinable())
        m_thread = std::thread([this] { run(); });
    m_wake.notify_one();
}

void ReaderThread::run() {
    for (;;) {
        Job job;
        {
            std::unique_lock lock(m_mutex);
            m_wake.wait(lock, [this] { return m_closing || !m_jobs.empty(); });
            if (m_jobs.empty())
                break; // and closing
            job = std::move(m_jobs.front());
            m_jobs.pop_front();
        }
        if (!job.work)
            drop();
        if (!job.work || dropped(job))
            continue;
        auto project = now(job);
        try {
            if (!dropped(job))
                job.work(std::move(project));
        } catch (const std::exception& e) { // of memory above all
            log::error("reading {} stopped: {}", m_copy ? "a copy of the project" : "the project", e.what());
            job.work(fail(Code::OutOfMemory, fmt::format("reading the project stopped: {}", e.what()), "Close other programs, or use `pairlab-cli`."));
        }
        if (m_copy)
            m_copy->giveBack();
    }
    drop();
}

Result<bool> ReaderThread::hold(const Job& job) {
    const auto looked = std::make_shared<std::promise<Result<bool>>>();
    auto answer = looked->get_future();
    if (!m_store.post([this, &job, looked](Project& project) {
            const Status first = job.first ? job.first(project) : Status();
            const bool current = m_copy && m_copy->take(project);
            looked->set_value(first ? Result<bool>(current) : tl::unexpected(first.error()));
        }))
        return closing();
    return answer.get();
}

/// Held first: erasing, which takes away copies that nobody reads, must not meet one that is just going.
void ReaderThread::drop() {
    if (!m_copy)
        return;
    static_cast<void>(hold({}));
    m_copy.reset();
}

Result<Project*> ReaderThread::now(const Job& job) {
    PL_TRY(const bool current, hold(job));
    if (!current) {
        m_copy.reset(); // never two of them on the disk
        const auto making = std::make_shared<Making>(m_store, [this, &job] { return dropped(job); });
        auto made = making->made.get_future();
        if (!m_store.post([making](Project& project) { Making::begin(making, project); }))
            return closing();
        PL_TRY(m_copy, made.get());
    }
    if (auto opened = m_copy->open(); !opened) {
        m_copy.reset();
        return tl::unexpected<Error>(std::move(opened).error());
    }
    return &m_copy->project();
}

} // namespace pl::desk
