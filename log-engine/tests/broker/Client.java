// What tests/broker/run asks of a broker, through Kafka's own clients.
//
//   java -cp "$libs/*" Client.java create  HOST:PORT NAME:PARTITIONS...   makes topics; prints NAME=TOPIC_ID of each
//   java -cp "$libs/*" Client.java consume HOST:PORT NAME:PARTITIONS...   prints what consumers find, as examples/write_directory does
//   java -cp "$libs/*" Client.java produce HOST:PORT NAME:PARTITIONS...   appends a transaction to each partition and reads it back

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class Client {
    static final List<String> ISOLATIONS = List.of("read_uncommitted", "read_committed");
    static final Duration PATIENCE = Duration.ofSeconds(60);
    static String broker;

    public static void main(String[] args) throws Exception {
        broker = args[1];
        Map<String, Integer> topics = new TreeMap<>();
        for (String topic : Arrays.asList(args).subList(2, args.length)) {
            String[] parts = topic.split(":");
            topics.put(parts[0], Integer.valueOf(parts[1]));
        }
        await();
        switch (args[0]) {
            case "create" -> create(topics);
            case "consume" -> consume(partitions(topics));
            case "produce" -> produce(partitions(topics));
            default -> throw new IllegalArgumentException(args[0]);
        }
    }

    /** Until the broker is one of its cluster. */
    static void await() throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", broker))) {
            long patience = System.nanoTime() + PATIENCE.toNanos();
            while (admin.describeCluster().nodes().get().isEmpty()) {
                if (System.nanoTime() > patience) throw new IllegalStateException("no broker");
                Thread.sleep(100);
            }
        }
    }

    static List<TopicPartition> partitions(Map<String, Integer> topics) {
        List<TopicPartition> all = new ArrayList<>();
        topics.forEach((topic, count) -> {
            for (int number = 0; number < count; number++) all.add(new TopicPartition(topic, number));
        });
        return all;
    }

    static void create(Map<String, Integer> topics) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", broker))) {
            List<NewTopic> wanted = new ArrayList<>();
            topics.forEach((topic, count) -> wanted.add(new NewTopic(topic, count, (short) 1)));
            var made = admin.createTopics(wanted);
            made.all().get();
            for (String topic : topics.keySet()) System.out.println(topic + "=" + made.topicId(topic).get());
        }
    }

    static KafkaConsumer<byte[], byte[]> consumer(String isolation) {
        return new KafkaConsumer<>(Map.of("bootstrap.servers", broker, "isolation.level", isolation, "auto.offset.reset", "none",
                "max.partition.fetch.bytes", "5000", "allow.auto.create.topics", "false"),
                new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    static List<ConsumerRecord<byte[], byte[]>> read(KafkaConsumer<byte[], byte[]> consumer, TopicPartition from, long start, long end) {
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        consumer.assign(List.of(from));
        consumer.seek(from, start);
        long patience = System.nanoTime() + PATIENCE.toNanos();
        while (consumer.position(from) < end) {
            if (System.nanoTime() > patience) throw new IllegalStateException(from + ": nothing comes at " + consumer.position(from));
            consumer.poll(Duration.ofMillis(100)).forEach(records::add);
        }
        return records;
    }

    static void consume(List<TopicPartition> partitions) {
        for (TopicPartition partition : partitions) {
            List<Long> times = new ArrayList<>();
            for (String isolation : ISOLATIONS) {
                try (KafkaConsumer<byte[], byte[]> consumer = consumer(isolation)) {
                    long start = consumer.beginningOffsets(List.of(partition)).get(partition);
                    long end = consumer.endOffsets(List.of(partition)).get(partition);
                    System.out.println(partition + " " + isolation + " " + start + " to " + end);
                    var records = read(consumer, partition, start, end);
                    records.forEach(record -> System.out.println(line(record)));
                    if (times.isEmpty()) {
                        int count = records.size();
                        for (int at : new int[] {0, count / 2, count - 1}) times.add(records.get(at).timestamp());
                    }
                    for (long time : times) {
                        OffsetAndTimestamp found = consumer.offsetsForTimes(Map.of(partition, time)).get(partition);
                        String text = found == null ? "none" : found.offset() + " " + found.timestamp();
                        System.out.println(partition + " " + isolation + " at " + time + ": " + text);
                    }
                }
            }
        }
    }

    static String line(ConsumerRecord<byte[], byte[]> record) {
        StringBuilder text = new StringBuilder();
        text.append(record.topic()).append('-').append(record.partition()).append(' ').append(record.offset());
        text.append(' ').append(record.timestampType()).append(':').append(record.timestamp());
        text.append(" epoch ").append(record.leaderEpoch().map(String::valueOf).orElse("-"));
        text.append(' ').append(hex(record.key())).append(' ').append(hex(record.value()));
        for (Header header : record.headers()) {
            text.append(' ').append(hex(header.key().getBytes(StandardCharsets.UTF_8))).append('=').append(hex(header.value()));
        }
        return text.toString();
    }

    static String hex(byte[] bytes) {
        return bytes == null ? "-" : "x" + HexFormat.of().formatHex(bytes);
    }

    static void produce(List<TopicPartition> partitions) throws Exception {
        Map<TopicPartition, Long> ends;
        try (KafkaConsumer<byte[], byte[]> consumer = consumer("read_uncommitted")) {
            ends = consumer.endOffsets(partitions);
        }
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(
                Map.of("bootstrap.servers", broker, "transactional.id", "behind"), new ByteArraySerializer(), new ByteArraySerializer())) {
            producer.initTransactions();
            producer.beginTransaction();
            for (TopicPartition partition : partitions) {
                byte[] value = partition.toString().getBytes(StandardCharsets.UTF_8);
                long offset = producer.send(new ProducerRecord<>(partition.topic(), partition.partition(), null, value)).get().offset();
                if (offset != ends.get(partition)) throw new IllegalStateException(partition + ": appended at " + offset + ", not at " + ends.get(partition));
            }
            producer.commitTransaction();
        }
        System.out.println(partitions.size());
    }
}
