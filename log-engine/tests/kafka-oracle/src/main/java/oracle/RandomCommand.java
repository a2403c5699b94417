package oracle;

import java.io.BufferedOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Set;

/** {@code random}: writes a script of random but plausible operations, or, with {@code --into}, many. */
final class RandomCommand {
    private RandomCommand() {
    }

    static int run(String[] args) throws IOException {
        Options options = new Options(args, 1, Set.of(), Set.of("seed", "ops", "profile", "into", "count"));
        long seed = options.number("seed", 1);
        long ops = options.number("ops", 50);
        String name = options.get("profile", "mixed");
        String into = options.get("into", null);
        if (into == null) {
            try (PrintStream out = new PrintStream(new BufferedOutputStream(System.out))) {
                write(seed, ops, profile(name), out);
            }
            return 0;
        }
        Path folder = Files.createDirectories(Path.of(into));
        RandomScript.Profile[] profiles = name.equals("all") ? RandomScript.Profile.values() : new RandomScript.Profile[] {profile(name)};
        for (long i = seed; i < seed + options.number("count", 1); i++) {
            RandomScript.Profile profile = profiles[(int) (i % profiles.length)];
            Path file = folder.resolve("random-" + lower(profile) + "-" + i + ".script");
            try (PrintStream out = new PrintStream(new BufferedOutputStream(Files.newOutputStream(file)))) {
                write(i, ops, profile, out);
            }
        }
        return 0;
    }

    private static void write(long seed, long ops, RandomScript.Profile profile, PrintStream out) throws IOException {
        File temporary = Files.createTempDirectory("kafka-oracle").toFile();
        try (ScriptRunner runner = new ScriptRunner(new File(temporary, "orders-0"))) {
            out.print("# kafka-oracle random --seed " + seed + " --ops " + ops + " --profile " + lower(profile) + "\n");
            new RandomScript(seed, profile, runner, out).write(ops);
        } finally {
            DirFiles.deleteTree(temporary);
        }
    }

    private static RandomScript.Profile profile(String name) {
        try {
            return RandomScript.Profile.valueOf(name.toUpperCase(Locale.ROOT));
        } catch (IllegalArgumentException e) {
            throw new Options.WrongUsageException("there is no profile " + name);
        }
    }

    private static String lower(RandomScript.Profile profile) {
        return profile.name().toLowerCase(Locale.ROOT);
    }
}
