package oracle;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.server.storage.log.FetchIsolation;
import org.apache.kafka.storage.internals.checkpoint.CleanShutdownFileHandler;
import org.apache.kafka.storage.internals.checkpoint.OffsetCheckpointFile;
import org.apache.kafka.storage.internals.log.FetchDataInfo;
import org.apache.kafka.storage.internals.log.UnifiedLog;

/** {@code load} and {@code read}: open a partition directory as a broker does at start. */
final class LoadCommand {
    private static final Set<String> FLAGS = Set.of("clean", "unclean", "broker", "in-place", "close", "records");
    private static final Set<String> VALUED = Set.of("recovery-point", "log-start", "config", "time", "from", "to", "max-bytes",
        "isolation", "hw");

    private LoadCommand() {
    }

    static int load(String[] args) throws IOException {
        Options options = new Options(args, 1, FLAGS, VALUED);
        try (Opened opened = new Opened(options)) {
            ObjectNode document = opened.open();
            if (opened.host.isOpen()) {
                State.full(document.putObject("state"), opened.host.log());
                if (options.has("close")) {
                    opened.host.shutdown();
                }
            }
            opened.changes(document);
            opened.logLines(document);
            Json.print(System.out, document);
            return document.has("error") ? Main.KAFKA_THREW : 0;
        }
    }

    /** Carries out {@code load} for each line of a file, which holds its arguments divided by spaces. */
    static int loads(String[] args) throws IOException {
        Options options = new Options(args, 1, Set.of(), Set.of());
        for (String line : Files.readAllLines(Path.of(options.word(0, "a file of arguments")))) {
            load(("load " + line.strip()).split(" +"));
        }
        return 0;
    }

    static int read(String[] args) throws IOException {
        Options options = new Options(args, 1, FLAGS, VALUED);
        long from = options.number("from", -1);
        if (from < 0) {
            throw new Options.WrongUsageException("needs --from");
        }
        long to = options.number("to", Long.MAX_VALUE);
        int max = (int) options.number("max-bytes", 1 << 20);
        FetchIsolation isolation = Fetch.isolation(options.get("isolation", "log-end"));
        try (Opened opened = new Opened(options)) {
            ObjectNode document = opened.open();
            if (document.has("error")) {
                Json.print(System.out, document);
                return Main.KAFKA_THREW;
            }
            UnifiedLog log = opened.host.log();
            log.updateHighWatermark(options.number("hw", log.logEndOffset()));
            while (from < to) {
                ObjectNode call = Json.object();
                call.put("from", from);
                FetchDataInfo fetched;
                try {
                    fetched = log.read(from, max, isolation, true);
                } catch (RuntimeException e) {
                    Failure.describe(call, e, opened.host.dir);
                    Json.print(System.out, call);
                    return Main.KAFKA_THREW;
                }
                Fetch.describe(call, fetched);
                Json.print(System.out, call);
                long next = from;
                for (RecordBatch batch : fetched.records.batches()) {
                    next = batch.nextOffset();
                    if (options.has("records")) {
                        for (Record record : batch) {
                            Json.print(System.out, Fetch.record(batch, record));
                        }
                    }
                }
                if (next == from) {
                    break;
                }
                from = next;
            }
            return 0;
        }
    }

    /** A directory, or a copy of it, being opened; the copy goes away in the end. */
    private static final class Opened implements AutoCloseable {
        private final Options options;
        private final File temporary;
        private final TreeMap<String, DirFiles.Facts> before;
        private final boolean clean;
        private final long recoveryPoint;
        private final long logStart;
        final LogHost host;

        Opened(Options options) throws IOException {
            this.options = options;
            File given = new File(options.word(0, "a partition directory")).getCanonicalFile();
            if (!given.isDirectory()) {
                throw new Options.WrongUsageException(given + " is no directory");
            }
            before = DirFiles.facts(given);
            boolean broker = options.has("broker");
            clean = options.has("clean")
                || !options.has("unclean") && broker && new CleanShutdownFileHandler(given.getParent()).exists();
            recoveryPoint = options.number("recovery-point", broker ? checkpoint(given, "recovery-point-offset-checkpoint") : 0);
            logStart = options.number("log-start", broker ? checkpoint(given, "log-start-offset-checkpoint") : 0);
            if (options.has("in-place")) {
                temporary = null;
            } else {
                temporary = Files.createTempDirectory("kafka-oracle").toFile();
            }
            File dir = temporary == null ? given : new File(temporary, given.getName());
            if (temporary != null) {
                DirFiles.copy(given, dir);
            }
            host = new LogHost(dir, new Clock(options.number("time", Clock.START_MS)), settings(options));
        }

        private static Settings settings(Options options) {
            Settings settings = new Settings();
            for (String pair : options.all("config")) {
                String[] parts = pair.split("=", 2);
                if (parts.length != 2) {
                    throw new Options.WrongUsageException("--config needs k=v, not " + pair);
                }
                try {
                    settings.set(parts[0], parts[1]);
                    settings.logConfig();
                } catch (IllegalArgumentException | ConfigException e) {
                    throw new Options.WrongUsageException("--config " + pair + ": " + e.getMessage());
                }
            }
            return settings;
        }

        /** The partition's entry in a checkpoint file of the log directory; 0 where there is none, as a broker takes it. */
        private static long checkpoint(File dir, String name) throws IOException {
            File file = new File(dir.getParentFile(), name);
            if (!file.exists()) {
                return 0;
            }
            try {
                TopicPartition partition = UnifiedLog.parseTopicPartitionName(dir);
                return new OffsetCheckpointFile(file, null).read().getOrDefault(partition, 0L);
            } catch (KafkaException e) {
                throw new Options.WrongUsageException(name + ": " + e.getMessage());
            }
        }

        ObjectNode open() throws IOException {
            ObjectNode document = Json.object();
            document.put("dir", host.dir.getName());
            document.put("clean", clean);
            document.put("recovery_point_given", recoveryPoint);
            document.put("log_start_given", logStart);
            LogCapture.start();
            try {
                host.load(clean, recoveryPoint, logStart);
                host.tasks.runUndelayed();
            } catch (Exception e) {
                Failure.describe(document, e, host.dir);
            }
            return document;
        }

        /** What opening did to the files; those that are not named are as they were. */
        void changes(ObjectNode document) throws IOException {
            ArrayNode changes = document.putArray("changes");
            TreeMap<String, DirFiles.Facts> after = DirFiles.facts(host.dir);
            TreeSet<String> names = new TreeSet<>(before.keySet());
            names.addAll(after.keySet());
            for (String name : names) {
                DirFiles.Facts was = before.get(name);
                DirFiles.Facts is = after.get(name);
                if (was == null || !was.equals(is)) {
                    ObjectNode change = changes.addObject();
                    change.put("file", name);
                    change.put("what", was == null ? "appeared" : is == null ? "vanished" : "changed");
                    facts(change, "before", was);
                    facts(change, "after", is);
                }
            }
        }

        private static void facts(ObjectNode into, String key, DirFiles.Facts facts) {
            if (facts == null) {
                into.putNull(key);
            } else {
                into.putObject(key).put("size", facts.size()).put("sha256", facts.sha256());
            }
        }

        void logLines(ObjectNode document) {
            ArrayNode lines = document.putArray("log");
            for (LogCapture.Line line : LogCapture.drain()) {
                lines.addObject()
                    .put("level", line.level().name())
                    .put("logger", line.logger())
                    .put("text", Failure.neutral(line.text(), host.dir));
            }
        }

        @Override
        public void close() {
            host.close();
            if (temporary != null) {
                DirFiles.deleteTree(temporary);
            }
        }
    }
}
