// Runs Kafka's DumpLogSegments again and again in one virtual machine. A line on standard input is a run: its arguments,
// separated by tabs. The answer is a line with the exit code and the lengths of both outputs, then the outputs.
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

public class DumpLog {
    public static void main(String[] none) throws Exception {
        BufferedReader runs = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        FileOutputStream answers = new FileOutputStream(FileDescriptor.out);
        for (String run = runs.readLine(); run != null; run = runs.readLine()) {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            ByteArrayOutputStream err = new ByteArrayOutputStream();
            System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
            System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
            int code = 0;
            try {
                org.apache.kafka.tools.DumpLogSegments.main(run.split("\t"));
            } catch (Throwable thrown) {
                code = 1;
                System.err.println("Exception in thread \"main\" " + thrown);
            }
            System.out.flush();
            System.err.flush();
            answers.write((code + " " + out.size() + " " + err.size() + "\n").getBytes(StandardCharsets.UTF_8));
            out.writeTo(answers);
            err.writeTo(answers);
            answers.flush();
        }
    }
}
