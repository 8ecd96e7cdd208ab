// Prints the shell script of a Nextflow module, filled in as Nextflow would: Groovy evaluates what stands under `script:` (or `stub:`) with
// the inputs given. That every word of the module is Nextflow's is not checked, only that it is Groovy: Nextflow is not needed.
//
//     groovy tests/oracles/nextflow_script.groovy parse packaging/nf-core/modules/gfgenomics/score/main.nf ...
//     groovy tests/oracles/nextflow_script.groovy script packaging/nf-core/modules/gfgenomics/score/main.nf \
//         "[meta: [id: 'people'], vcf: 'people.vcf', fasta: 'reference.fa', model: 'model', cohort: []]"

import org.codehaus.groovy.control.CompilationUnit
import org.codehaus.groovy.control.Phases

if (args[0] == 'parse') {
    args.drop(1).each { file ->
        def unit = new CompilationUnit()
        unit.addSource(file, new File(file).text)
        unit.compile(Phases.CONVERSION)
    }
    return
}
def (part, file, inputs) = args as List
def parts = [script: /(?s)\n    script:\n(.*?)\n    stub:\n/, stub: /(?s)\n    stub:\n(.*)\n\}/]
def shell = new GroovyShell(new Binding(Eval.me(inputs) + [task: [ext: [:], cpus: 2]]))
print shell.evaluate((new File(file).text =~ parts[part])[0][1])
