package handlers;

import java.util.LinkedHashMap;
import java.util.Map;

/** One method a behaviour; each test names the one that it needs. */
public class Handlers {
    public Map<String, Object> echo(Map<String, Object> event) {
        return event;
    }

    public Greeting greet(Person person) {
        Greeting greeting = new Greeting();
        greeting.setText("Hello " + person.getName() + ", " + person.getAge());
        return greeting;
    }

    public String fail(Map<String, Object> event) {
        throw new IllegalStateException("the tree fell");
    }

    public String log(Map<String, Object> event) {
        System.out.println("hello from java");
        return "logged";
    }

    public Map<String, Object> environment(Map<String, Object> event) {
        return new LinkedHashMap<>(System.getenv());
    }

    public String leave(Map<String, Object> event) {
        Runtime.getRuntime().halt(3);
        return "never";
    }

    public String wrapped(Object event) {
        return System.getenv("WRAPPED");
    }
}
