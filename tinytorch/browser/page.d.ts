// What only workers have, and store.mjs uses: the modules of the page are checked without a worker's
// library, which has other globals than a page's.

interface FileSystemSyncAccessHandle {
  close(): void;
  getSize(): number;
  read(buffer: ArrayBufferView, options?: { at?: number }): number;
  truncate(newSize: number): void;
  write(buffer: ArrayBufferView, options?: { at?: number }): number;
}

interface FileSystemFileHandle {
  createSyncAccessHandle(): Promise<FileSystemSyncAccessHandle>;
}
