package handlers;

import java.util.Date;
import java.util.List;
import java.util.Map;

/** A bean with members of every visibility. */
public class Squirrel {
    public int age = 1;
    public transient String skipped = "transient";
    public static String shared = "static";
    private String name = "Sam";
    private String hidden = "hidden";
    private String URL = "u";
    private int weight;
    public final String kind = "red";
    public Integer boxed;
    public long big;
    public boolean tame;
    public double tail;
    public char[] letters;
    public byte[] bytes;
    public Date born;
    public Kind type;
    public Nest nest;
    public List<String> nuts;
    public int[] scores;
    public Map<String, Object> more;
    public Object any;

    public enum Kind { RED, GREY }

    public static class Nest {
        public int height;
    }

    public String getName() {
        return name;
    }

    public void setName(String name) {
        this.name = name;
    }

    public String getURL() {
        return URL;
    }

    public void setURL(String url) {
        URL = url;
    }

    public int getWeight() {
        return weight;
    }

    void setWeight(int weight) {
        this.weight = weight;
    }

    public boolean isQuick() {
        return hidden != null;
    }

    public Squirrel same(Squirrel squirrel) {
        return squirrel;
    }
}
