// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "core/desk/store/reading_copy.h"
#include "core/desk/store/store_thread.h"

namespace pl::desk {

/// Reads a project on a thread of its own while its StoreThread takes votes: what reads for seconds goes here. Every piece of work sees one
/// moment (a ReadingCopy), which is kept for the next one as long as nothing was written in between.
class ReaderThread {
public:
    /// Is given the project as it is after everything the store was asked for before, or why it cannot be read.
    using Work = std::function<void(Result<Project*> project)>;
    explicit ReaderThread(StoreThread& store);
    /// Does what was asked for to its end, but for what is only wanted while somebody looks. The store lives longer.
    ~ReaderThread();
    ReaderThread(const ReaderThread&) = delete;
    ReaderThread& operator=(const ReaderThread&) = delete;
    /// In the order of the calls. `first` runs on the store's thread, on the project itself, before anything is copied; when it fails, `work` is
    /// told why. With `wanted`, asked on any thread, the work is dropped as soon as that says no or the reader goes: before a copy is made for it, and
    /// while it is made.
    void read(Work work, std::function<Status(Project&)> first = {}, std::function<bool()> wanted = {});
    /// In its turn: keeps no copy for work that does not come.
    void letGo();

private:
    struct Job {
        Work work; ///< empty: letGo()
        std::function<Status(Project&)> first;
        std::function<bool()> wanted; ///< empty: whatever comes
    };
    struct Making;
    bool dropped(const Job& job) const { return job.wanted && (m_closing || !job.wanted()); }
    /// Marks the copy as being read, so that nobody else takes it away; true: it is of now. The store's thread does it.
    Result<bool> hold(const Job& job);
    void drop();
    void add(Job job);
    void run();
    Result<Project*> now(const Job& job);

    StoreThread& m_store;
    std::mutex m_mutex;
    std::condition_variable m_wake;
    std::deque<Job> m_jobs;
    std::atomic<bool> m_closing{false};
    std::unique_ptr<ReadingCopy> m_copy; ///< of the reader's thread
    std::thread m_thread;                ///< begins with the first work
};

} // namespace pl::desk
