// SPDX-License-Identifier: Apache-2.0
// Devices are asked of the worker, which is another program here.
#include <fstream>

#include <QFile>

#include "core/base/os/files.h"
#include "core/desk/runs/devices.h"
#include "tests/desk/desk_fixture.h"

using namespace fixture;

class TestDevices : public QObject {
    Q_OBJECT
    QTemporaryDir m_dir;
    std::string program(const char* name, const std::string& text) {
        const QString path = m_dir.filePath(QString::fromLatin1(name));
        std::ofstream(path.toStdString()) << "#!/bin/sh\n" << text;
        QFile::setPermissions(path, QFile::ReadOwner | QFile::WriteOwner | QFile::ExeOwner);
        return path.toStdString();
    }

private Q_SLOTS:
    void theWorkerNamesThem() {
        const std::vector<Device> list{{"cpu", "this machine", 8, 4}, {"cuda:0", "NVIDIA H200", uint64_t{1} << 37, 5}};
        const auto asked = askDevices(program("worker", "[ \"$1\" = devices ] && echo 'a driver has something to say' && echo '" + dumpJson(devicesToJson(list)) + "'\n"));
        OK(asked);
        QVERIFY(*asked == list);
    }
    void aWorkerThatCannotSaysWhy() {
        const auto failed = askDevices(program("failing", "echo no libtorch here; exit 127\n"));
        QVERIFY(!failed && failed.error().message.find("no libtorch here") != std::string::npos);
        QVERIFY(!askDevices(program("silent", "exit 0\n")));
        QVERIFY(!askDevices(program("broken", "echo '{\"devices\": ['\n")));
        QVERIFY(!askDevices("/nowhere/pairlab-worker"));
    }
    void anotherMachinesListIsRead() {
        const std::vector<Device> list{{"cpu", "another machine", 8, 4}, {"cuda:0", "NVIDIA H200", uint64_t{1} << 37, 5}};
        const std::string path = m_dir.filePath("devices.json").toStdString();
        must(os::writeFileAtomic(path, dumpJson(devicesToJson(list))));
        qputenv("PAIRLAB_DEVICES", QByteArray::fromStdString(path));
        QVERIFY(devicesHere() == list);
        qputenv("PAIRLAB_DEVICES", "/nowhere"); // said in the log; the processor is there whatever happens
        QCOMPARE(devicesHere().size(), size_t{1});
        qunsetenv("PAIRLAB_DEVICES");
        QCOMPARE(devicesHere().front().name, std::string("cpu"));
    }
};

QTEST_GUILESS_MAIN(TestDevices)
#include "tst_devices.moc"
