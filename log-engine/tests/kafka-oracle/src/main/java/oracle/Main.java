package oracle;

import java.util.Arrays;

/** Runs a command. Exit codes: 0 done, 1 wrong use or failure of the tool, 3 Kafka refused the directory. */
public final class Main {
    static final int FAILED = 1;
    static final int KAFKA_THREW = 3;

    private static final String USAGE = """
        kafka-oracle: Apache Kafka's own storage layer, without a broker

          run load DIR [--clean|--unclean] [--recovery-point N] [--log-start N] [--broker] [--config k=v]...
                       [--time MS] [--in-place] [--close]
          run loads FILE
          run read DIR --from N [--to N] [--max-bytes N] [--isolation log-end|high-watermark|txn-committed]
                       [--hw N] [--records] [options of load]
          run script FILE DIR
          run corpus OUT FILE... [--keep]
          run files DIR
          run batch records=... [the fields of append-records and append-marker]
          run random --seed S --ops N [--profile plain|idempotent|transactional|follower|mixed]
          run random --into FOLDER --seed S --count N --ops N [--profile all|...]
          run bench append|open|read|dump [--bytes B] [--batch-bytes B] [--records-per-batch R] [--value-bytes V]...

        The README beside this tool says the rest.
        """;

    private Main() {
    }

    public static void main(String[] args) throws Exception {
        String command = args.length == 0 ? "help" : args[0];
        int status;
        try {
            status = switch (command) {
                case "load" -> LoadCommand.load(args);
                case "loads" -> LoadCommand.loads(args);
                case "read" -> LoadCommand.read(args);
                case "script" -> ScriptCommand.script(args);
                case "corpus" -> ScriptCommand.corpus(args);
                case "files" -> ScriptCommand.files(args);
                case "batch" -> ScriptCommand.batch(args);
                case "random" -> RandomCommand.run(args);
                case "bench" -> Bench.run(args);
                case "help", "--help", "-h" -> {
                    System.out.print(USAGE);
                    yield 0;
                }
                default -> throw new Options.WrongUsageException("unknown command " + command);
            };
        } catch (Options.WrongUsageException | Op.WrongScriptException e) {
            System.err.println("kafka-oracle: " + e.getMessage());
            status = FAILED;
        } catch (java.io.IOException e) {
            System.err.println("kafka-oracle: " + Arrays.asList(args) + ": " + e);
            status = FAILED;
        }
        System.out.flush();
        System.exit(status);
    }
}
