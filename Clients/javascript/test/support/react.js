/** Just enough of React: one component, its hooks in order, effects after it was drawn. */
export class FakeReact {
  #hooks = [];
  #next = 0;
  #effects = [];
  draws = 0;

  constructor(component) {
    this.component = component;
    this.useCallback = (callback, dependencies) => this.#memo(() => callback, dependencies).value;
    this.useEffect = (effect, dependencies) => {
      const hook = this.#memo(() => undefined, dependencies);
      if (hook.isNew) this.#effects.push({ hook, effect });
    };
    this.useState = () => {
      const hook = this.#memo(() => undefined, []);
      return [hook.value, (value) => {
        hook.value = value;
        this.draw();
      }];
    };
    this.useSyncExternalStore = (subscribe, get) => {
      const hook = this.#memo(() => undefined, [subscribe]);
      if (hook.isNew) this.#effects.push({ hook, effect: () => subscribe(() => hook.seen !== hook.get() && this.draw()) });
      hook.get = get;
      hook.seen = get();
      return hook.seen;
    };
  }

  #memo(make, dependencies) {
    const position = this.#next++;
    const old = this.#hooks[position];
    const isSame = old && dependencies.every((value, index) => Object.is(value, old.dependencies[index]));
    if (isSame) return Object.assign(old, { isNew: false });
    old?.cleanup?.();
    return this.#hooks[position] = { value: make(), dependencies, isNew: true };
  }

  draw(component = this.component) {
    this.component = component;
    this.draws++;
    this.#next = 0;
    this.result = component();
    for (const { hook, effect } of this.#effects.splice(0)) hook.cleanup = effect();
    return this.result;
  }

  unmount() {
    for (const hook of this.#hooks) hook.cleanup?.();
  }
}
