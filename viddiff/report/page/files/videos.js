// The videos of a test video play in step: the first one leads, and the others are slower or faster by what they are off.
"use strict";

const HOLD = 700; // milliseconds that the last frame stays before all begin again
const LOST = 10; // frames that a video is off from which it is sought anew

class Player {
  static playing = null;

  constructor(section) {
    this.section = section;
    this.fps = Number(section.dataset.fps);
    this.length = Number(section.dataset.length);
    this.clips = [...section.querySelectorAll(".clip")];
    this.observed = this.clips.map((clip) => frames(clip.dataset.observed));
    this.play = section.querySelector(".play");
    this.slider = section.querySelector("input[type=range]");
    this.output = section.querySelector("output");
    this.speed = section.querySelector(".speed");
    this.turn = 0; // what goes on ends when another turn begins
    this.release();
    this.play.addEventListener("click", () => (Player.playing === this ? this.pause() : this.start()));
    this.slider.addEventListener("input", () => this.goTo(Number(this.slider.value)));
    for (const button of section.querySelectorAll(".step")) {
      button.addEventListener("click", () => this.goTo(this.frame + Number(button.dataset.by)));
    }
  }

  /** Thumbnails in place of videos, as at first. */
  release() {
    this.stop();
    for (const video of this.section.querySelectorAll("video")) {
      video.remove();
      video.removeAttribute("src");
      video.load(); // frees its decoder
    }
    this.loading = null;
    this.videos = [];
    this.seen = false; // whether the frame is one that was asked for
    this.show(Number(this.section.dataset.shown));
    this.tell("idle");
  }

  async start() {
    Player.playing?.pause();
    const turn = this.stop();
    Player.playing = this;
    this.play.textContent = "Pause";
    if (!this.seen || this.frame >= this.length - 1) this.show(0);
    this.seen = true;
    await this.run(turn);
  }

  pause() {
    this.goTo(this.frame);
  }

  async goTo(frame) {
    const turn = this.stop();
    this.seen = true;
    this.show(Math.min(Math.max(frame, 0), this.length - 1));
    if (await this.seek(turn)) this.tell("paused");
  }

  /** End what goes on. Returns the turn of what comes next. */
  stop() {
    if (Player.playing === this) Player.playing = null;
    this.play.textContent = "Play";
    for (const video of this.videos ?? []) video.pause();
    return ++this.turn;
  }

  async run(turn) {
    if (!(await this.seek(turn))) return;
    for (const video of this.videos) video.playbackRate = this.rate;
    await Promise.allSettled(this.videos.map((video) => video.play()));
    if (turn !== this.turn) return;
    const follow = () => {
      if (turn !== this.turn) return;
      const [lead, ...others] = this.videos;
      this.show(Math.min(Math.floor(lead.currentTime * this.fps), this.length - 1));
      if (lead.ended) {
        this.tell("holding");
        setTimeout(() => this.again(turn), HOLD);
        return;
      }
      lead.playbackRate = this.rate;
      const off = others.map((video) => this.align(video, lead.currentTime));
      if (Math.max(...off) < 0.5) this.tell("playing");
      requestAnimationFrame(follow);
    };
    follow();
  }

  again(turn) {
    if (turn !== this.turn) return;
    this.show(0);
    this.run(turn);
  }

  /** Let a video come to where the leading one is. Returns how many frames it is off. */
  align(video, time) {
    const off = (video.currentTime - time) * this.fps;
    if (Math.abs(off) > LOST) video.currentTime = time;
    const rate = this.rate * Math.min(Math.max(1 - off / 2, 0.25), 2);
    if (Math.abs(rate - video.playbackRate) > 0.01 * this.rate) video.playbackRate = rate;
    return Math.abs(off);
  }

  get rate() {
    return Number(this.speed.value);
  }

  /** Bring all videos to the middle of the frame. Returns whether the turn is still the same. */
  async seek(turn) {
    if (!this.loading) this.tell("loading");
    this.loading ??= Promise.all(this.clips.map(loadVideo));
    const videos = (await this.loading).filter((video) => video);
    if (turn !== this.turn || !videos.length) return false;
    this.videos = videos;
    const time = (this.frame + 0.5) / this.fps;
    await Promise.all(videos.map((video) => {
      const sought = new Promise((resolve) => video.addEventListener("seeked", resolve, { once: true }));
      video.currentTime = time;
      return sought;
    }));
    if (turn !== this.turn) return false;
    videos.forEach((video) => { video.hidden = false; });
    return true;
  }

  show(frame) {
    this.frame = frame;
    const observed = this.observed.slice(1).map((shown) => shown.has(frame));
    const kind = observed.every(Boolean) ? " observed" : observed.some(Boolean) ? "" : " generated";
    this.slider.value = frame;
    this.slider.setAttribute("aria-valuetext", `${frame} of ${this.length - 1}${kind}`);
    this.output.textContent = `${frame} / ${this.length - 1}${kind}`;
  }

  tell(state) {
    this.section.dataset.state = state;
  }
}

/** The frames of spans such as "0-9 59-59". */
function frames(text) {
  const found = new Set();
  for (const span of text.split(" ").filter(Boolean)) {
    const [first, last] = span.split("-").map(Number);
    for (let frame = first; frame <= last; frame++) found.add(frame);
  }
  return found;
}

/** The video of a clip once a frame of it can be shown, hidden as yet; null, and a word in the picture, if it cannot be played. */
function loadVideo(clip) {
  const video = document.createElement("video");
  video.muted = true;
  video.playsInline = true;
  video.preload = "auto";
  video.hidden = true;
  video.setAttribute("aria-hidden", "true"); // the thumbnail's text and the slider tell of it
  video.tabIndex = -1;
  const frame = clip.querySelector(".frame");
  return new Promise((resolve) => {
    video.addEventListener("loadeddata", () => resolve(video), { once: true });
    video.addEventListener("error", () => {
      if (!video.hasAttribute("src")) return; // released
      const note = document.createElement("span");
      note.className = "failed";
      note.textContent = "cannot be played";
      frame.append(note);
      video.remove();
      resolve(null);
    }, { once: true });
    video.src = clip.dataset.video;
    frame.append(video);
  });
}

const players = new Map(
  [...document.querySelectorAll(".player")].map((section) => [section, new Player(section)]),
);
// Videos far away from what is seen need no memory.
const nearby = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting && players.get(target).loading) players.get(target).release();
  }
}, { rootMargin: "100%" });
for (const section of players.keys()) nearby.observe(section);
